/** Labels of matrix cells: glyph, text and tone, so that states differ without colour too. */
import type { CrossOutcome, TestOutcome } from "../api/schema.gen";
import type { CellState, MatrixCell } from "./matrix-rows";

export interface CellLabel {
  readonly glyph: string;
  readonly word: string;
  readonly tone: "good" | "bad" | "warning" | "quiet" | "faint";
}

const LABELS: Readonly<Record<CellState, CellLabel>> = {
  fixed: { glyph: "✓", word: "fixed", tone: "good" },
  broken: { glyph: "✗", word: "broken", tone: "bad" },
  still_passing: { glyph: "·", word: "passes", tone: "quiet" },
  still_failing: { glyph: "–", word: "still fails", tone: "quiet" },
  new: { glyph: "+", word: "new", tone: "good" },
  gone: { glyph: "∅", word: "gone", tone: "warning" },
  flaky: { glyph: "≈", word: "flaky", tone: "warning" },
  pass: { glyph: "✓", word: "passes", tone: "good" },
  fail: { glyph: "✗", word: "fails", tone: "bad" },
  not_comparable: { glyph: "⊘", word: "not comparable", tone: "faint" },
  absent: { glyph: "", word: "no such test", tone: "faint" },
  unlisted: { glyph: "…", word: "not listed", tone: "faint" },
  could_not_run: { glyph: "!", word: "could not run", tone: "bad" },
  none: { glyph: "", word: "not run", tone: "faint" },
};

/** Return the label of a cell; that of a check counts its tests. A new test that does not pass is not shown as good. */
export function cellLabel(cell: MatrixCell): CellLabel {
  if (cell.state === "new" && cell.after !== null && cell.after !== "passed") {
    const word = cell.after === "skipped" ? "new, skipped" : "new, fails";
    return { glyph: "+", word, tone: cell.after === "skipped" ? "warning" : "bad" };
  }
  const label = LABELS[cell.state];
  if (!cell.counts) return label;
  const word = cell.counts.includes(label.word) ? cell.counts : `${label.word} · ${cell.counts}`;
  return { ...label, word };
}

const BASE_LABELS: Readonly<Record<TestOutcome | CrossOutcome, CellLabel>> = {
  passed: { glyph: "✓", word: "passes", tone: "quiet" },
  failed: { glyph: "✗", word: "fails", tone: "quiet" },
  error: { glyph: "✗", word: "error", tone: "quiet" },
  skipped: { glyph: "–", word: "skipped", tone: "faint" },
  pass: { glyph: "✓", word: "passes", tone: "quiet" },
  fail: { glyph: "✗", word: "fails", tone: "quiet" },
  not_comparable: { glyph: "⊘", word: "not comparable", tone: "faint" },
};

export function baseLabel(outcome: TestOutcome | CrossOutcome | null): CellLabel {
  return outcome === null ? { glyph: "", word: "absent", tone: "faint" } : BASE_LABELS[outcome];
}

const EXPLANATIONS: Readonly<Record<CellState, string>> = {
  fixed: "Fails on the base, passes with this change.",
  broken: "Passes on the base, fails with this change.",
  still_passing: "Passes, as on the base.",
  still_failing: "Fails, as on the base.",
  new: "The base does not have this test.",
  gone: "The base has this test, but it no longer runs.",
  flaky: "Gave different results on the same tree. It is not used for ranking.",
  pass: "The author's test passes on this variation.",
  fail: "The author's test fails on this variation.",
  not_comparable:
    "The author's test cannot be collected or imported here. This does not count as a failure.",
  absent: "Neither the base nor this variation has this test.",
  unlisted: "This variation's list of tests was truncated; its counts are complete.",
  could_not_run: "The check could not run on this variation, so it shows nothing else.",
  none: "Not run on this variation, or the check does not report individual tests.",
};

export function cellExplanation(cell: MatrixCell): string {
  return EXPLANATIONS[cell.state];
}
