/** In which files and tests two variations differ, for the summary beside the verdict. */
import type { DiffLine, FileDiff, RunDetails } from "../api/schema.gen";
import { diffBetween } from "./diff/diff-between";
import { diffSize } from "./diff/diff-rows";
import type { MatrixRow } from "./matrix-rows";

export interface FileDifference {
  readonly path: string;
  /** The one variation that changes the file; null where both do, differently. */
  readonly only: number | null;
  readonly additions: number;
  readonly deletions: number;
  /** The first lines that differ. */
  readonly lines: readonly DiffLine[];
}

/** Lines that are shown of all differences together. */
const MAX_LINES = 10;

/** Return the files in which two variations differ, those that both change first. */
export function fileDifferences(
  [one, other]: readonly [number, number],
  diffs: ReadonlyMap<number, readonly FileDiff[]>,
): readonly FileDifference[] | null {
  const [left, right] = [diffs.get(one), diffs.get(other)];
  if (!left || !right) return null;
  let room = MAX_LINES;
  return diffBetween(left, right)
    .map((file) => ({ file, only: onlyIn(file.path, [one, left], [other, right]) }))
    .toSorted((a, b) => Number(a.only !== null) - Number(b.only !== null))
    .map(({ file, only }) => {
      const changed = file.hunks.flatMap((hunk) =>
        hunk.lines.filter((line) => line.kind !== "context" && line.text.trim() !== ""),
      );
      const lines = changed.slice(0, room);
      room -= lines.length;
      return { path: file.path, only, ...diffSize(file), lines };
    });
}

type Side = readonly [number, readonly FileDiff[]];

function onlyIn(path: string, [one, left]: Side, [other, right]: Side): number | null {
  const has = (files: readonly FileDiff[]) => files.some((file) => file.path === path);
  if (!has(right)) return one;
  return has(left) ? null : other;
}

/** Count the tests and cross-tests whose state differs between two columns of the matrix. */
export function differingTests(
  [one, other]: readonly [number, number],
  rows: readonly MatrixRow[],
): number {
  return rows.filter((row) => {
    const [left, right] = [one, other].map((number) =>
      row.cells.find((cell) => cell.variation === number),
    );
    return left && right && left.state !== right.state && !areNewOrAbsent(left, right);
  }).length;
}

/** A test that only one of them wrote tells nothing: its cross-test does. */
function areNewOrAbsent(...cells: readonly { readonly state: string }[]): boolean {
  return cells.every(({ state }) => state === "new" || state === "absent");
}

/** Return the cross-tests that every one of the variations passes. */
export function sharedProofs(details: RunDetails, numbers: readonly number[]) {
  return (details.evidence?.cross_tests ?? []).filter((test) =>
    numbers.every((number) => test.outcomes[number] === "pass"),
  );
}
