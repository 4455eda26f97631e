/** Builders of runs and verdicts for tests. */
import type {
  CheckChange,
  FileDiff,
  RunDetails,
  RunSpec,
  TestChange,
  Variation,
  Verdict,
} from "../src/api/schema.gen";
import { NOT_RENAMED } from "../src/compare/diff/diff-rows";

export function variation(
  number: number,
  verdict: Partial<Verdict> | null = {},
  more: Partial<Variation> = {},
): Variation {
  return {
    run_id: "run",
    number,
    spec: { agent: "builtin" },
    status: "finished",
    attempt: 1,
    follow_up: null,
    composed: [],
    cleared: null,
    usage: {},
    verdict: verdict && { variation_id: number, patch: {}, ...verdict },
    failure: null,
    isolation: null,
    started_at: "2026-11-25T10:00:05Z",
    finished_at: "2026-11-25T10:00:15Z",
    ...more,
  };
}

export function run(variations: readonly Variation[], more: Partial<RunDetails> = {}): RunDetails {
  return {
    id: "run",
    spec: { prompt: "Make addition add" } as RunSpec,
    status: "finished",
    commit: "c",
    checks: [],
    setup: [],
    setup_hosts: [],
    protected: [],
    evidence: null,
    ranking: null,
    winner: null,
    winner_reason: "",
    publication: null,
    failure: null,
    reused_from: null,
    created_at: "2026-11-25T10:00:00Z",
    finished_at: null,
    decided_at: null,
    imported_at: null,
    title: "",
    archived_at: null,
    variations,
    ...more,
  };
}

export function ranked(order: readonly number[]) {
  return { order, recommended: order[0] ?? null, confidence: "high" as const, reasons: [] };
}

export function check(tests: readonly TestChange[], counts: Record<string, number>): CheckChange {
  return { check: "unit", change: "fixed", tests, counts };
}

export function file(
  path: string,
  text: string,
  status: FileDiff["status"] = "modified",
): FileDiff {
  const lines = [{ kind: "added" as const, text, newline: true }];
  const hunk = { old_start: 1, old_lines: 0, new_start: 1, new_lines: 1, heading: "", lines };
  return {
    ...NOT_RENAMED,
    path,
    status,
    binary: false,
    old_mode: "100644",
    new_mode: "100644",
    hunks: [hunk, { ...hunk, old_start: 9 }],
  };
}
