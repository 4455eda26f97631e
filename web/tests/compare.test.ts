import { describe, expect, test } from "vitest";
import type {
  CheckChange,
  FileDiff,
  RunDetails,
  TestChange,
  Variation,
  Verdict,
} from "../src/api/schema.gen";
import { phases, scatter } from "../src/compare/charts";
import { columnsOf, spans } from "../src/compare/columns";
import { fileMap } from "../src/compare/filemap";
import { crossRows, sections } from "../src/compare/matrix";
import { isTaken, readTray, shares, toggleFile, toggleHunk } from "../src/compare/tray";

function variation(
  number: number,
  verdict: Partial<Verdict> | null = {},
  more: Partial<Variation> = {},
): Variation {
  return {
    run_id: "run",
    number,
    seat: { agent: "builtin" },
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

function run(variations: readonly Variation[], more: Partial<RunDetails> = {}): RunDetails {
  return {
    id: "run",
    spec: { prompt: "Make addition add" },
    status: "finished",
    commit: "c",
    checks: [],
    setup: [],
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
    variations,
    ...more,
  };
}

function ranked(order: readonly number[]) {
  return { order, recommended: order[0] ?? null, confidence: "high" as const, reasons: [] };
}

describe("columns", () => {
  test("best first, those without a verdict last, the same patch once, alike side by side", () => {
    const details = run(
      [1, 2, 3, 4, 5].map((n) => variation(n, n === 4 ? null : {})),
      {
        ranking: ranked([3, 1, 2, 5]),
        evidence: { identical: [[2, 5]], groups: [[3, 2, 5], [1]] },
      },
    );
    const columns = columnsOf(details);
    expect(columns.map((column) => column.members)).toEqual([[3], [2, 5], [1], [4]]);
    expect(spans(columns)).toEqual([
      { group: 0, columns: 2 },
      { group: 1, columns: 1 },
      { group: null, columns: 1 },
    ]);
  });

  test("only those that are asked for", () => {
    const details = run([variation(1), variation(2), variation(3)]);
    expect(columnsOf(details, [3, 1]).map((column) => column.number)).toEqual([1, 3]);
  });
});

function check(tests: readonly TestChange[], counts: Record<string, number>): CheckChange {
  return { check: "unit", change: "fixed", tests, counts };
}

describe("the matrix", () => {
  const details = run([
    variation(1, {
      checks: [
        check(
          [
            { test: "a", change: "fixed", before: "failed", after: "passed" },
            { test: "mine", change: "new", after: "passed" },
          ],
          { fixed: 1, new: 1, still_passing: 9 },
        ),
      ],
    }),
    variation(2, {
      checks: [
        check([{ test: "b", change: "broken", before: "passed", after: "failed", message: "boom" }], {
          broken: 1,
          still_failing: 1,
          still_passing: 8,
        }),
      ],
    }),
    variation(3, null),
  ]);
  const section = sections(columnsOf(details), [{ command: "make", name: "unit" }])[0];
  const signs = (id: string) => section?.rows.find((row) => row.title === id)?.cells.map((cell) => cell.sign);

  test("what a verdict does not name passes as before, if nothing was left out", () => {
    expect(signs("b")).toEqual(["still_passing", "broken", "none"]);
  });

  test("where the list was cut, nothing is claimed", () => {
    expect(signs("a")).toEqual(["fixed", "unlisted", "none"]);
  });

  test("a new test is absent elsewhere, not failing", () => {
    const whole = sections(
      columnsOf(
        run([
          variation(1, { checks: [check([{ test: "mine", change: "new", after: "passed" }], { new: 1 })] }),
          variation(2, { checks: [check([], { still_passing: 3 })] }),
        ]),
      ),
      [],
    )[0];
    expect(whole?.rows[0]?.cells.map((cell) => cell.sign)).toEqual(["new", "absent"]);
    expect(whole?.rows[0]?.base).toBeNull();
  });

  test("rows that tell apart come first, the worst on top; messages are kept", () => {
    expect(section?.rows.map((row) => row.title)).toEqual(["b", "a", "mine"]);
    expect(section?.rows[0]?.cells[1]?.message).toBe("boom");
  });

  test("tests that pass everywhere are counted without those that have a row", () => {
    expect(section?.passing).toBe(8);
  });

  test("what fails everywhere as before is folded", () => {
    const both = check([{ test: "old", change: "still_failing", before: "failed", after: "failed" }], {
      still_failing: 1,
    });
    const found = sections(
      columnsOf(run([variation(1, { checks: [both] }), variation(2, { checks: [both] })])),
      [],
    );
    expect(found[0]?.rows).toEqual([]);
    expect(found[0]?.alike.map((row) => row.title)).toEqual(["old"]);
  });

  test("cross-tests: by weight, with what each target said", () => {
    const columns = columnsOf(run([variation(1), variation(2)]));
    const about = { check: "unit", file: "t.py", base: "fail" as const };
    const rows = crossRows(columns, [
      { ...about, test: "weak", authors: [1], outcomes: { 1: "pass", 2: "pass" }, weight: 0 },
      { ...about, test: "sharp", authors: [2], outcomes: { 1: "not_comparable", 2: "pass" }, weight: 0.8 },
    ]);
    expect(rows.map((row) => row.title)).toEqual(["sharp", "weak"]);
    expect(rows[0]?.cells.map((cell) => cell.sign)).toEqual(["not_comparable", "pass"]);
    expect(rows[1]?.differs).toBe(false);
  });
});

function file(path: string, text: string, status: FileDiff["status"] = "modified"): FileDiff {
  const lines = [{ kind: "added" as const, text, newline: true }];
  const hunk = { old_start: 1, old_lines: 0, new_start: 1, new_lines: 1, heading: "", lines };
  return {
    path,
    status,
    binary: false,
    old_mode: "100644",
    new_mode: "100644",
    hunks: [hunk, { ...hunk, old_start: 9 }],
  };
}

test("the file map says where two did the same, and who left a file alone", () => {
  const columns = columnsOf(run([variation(1), variation(2), variation(3)]));
  const diffs = new Map([
    [1, [file("a", "x"), file("b", "1")]],
    [2, [file("a", "y")]],
    [3, [file("a", "x")]],
  ]);
  const map = fileMap(columns, diffs);
  expect(map.map((line) => line.path)).toEqual(["a", "b"]);
  expect(map[0]?.cells.map((cell) => cell?.alike)).toEqual([[1, 3], [2], [1, 3]]);
  expect(map[1]?.cells.map((cell) => cell?.additions ?? null)).toEqual([2, null, null]);
});

describe("the tray", () => {
  const two = file("a", "x");

  test("hunks come and go; all of them are the file", () => {
    const one = toggleHunk([], 1, two, 1);
    expect(one).toEqual([{ variation_id: 1, path: "a", hunks: [1] }]);
    const both = toggleHunk(one, 1, two, 0);
    expect(both).toEqual([{ variation_id: 1, path: "a", hunks: null }]);
    expect(toggleHunk(both, 1, two, 0)).toEqual(one);
    expect(toggleHunk(one, 1, two, 1)).toEqual([]);
  });

  test("a file is whole or not at all, and counts for its hunks", () => {
    const whole = toggleFile([], 2, "a");
    expect(isTaken(whole, 2, "a", 0)).toBe(true);
    expect(isTaken(whole, 1, "a", 0)).toBe(false);
    expect(toggleFile(whole, 2, "a")).toEqual([]);
  });

  test("says how much is from whom", () => {
    const tray = toggleFile(toggleHunk(toggleHunk([], 3, two, 0), 1, file("b", "z"), 1), 1, "c");
    expect(shares(tray)).toEqual([
      { variation: 1, files: 1, hunks: 1 },
      { variation: 3, files: 0, hunks: 1 },
    ]);
  });

  test("what was kept is read with suspicion", () => {
    expect(readTray(JSON.stringify([{ variation_id: 1, path: "a", hunks: null }, { path: 3 }]))).toHaveLength(
      1,
    );
    expect(readTray("{")).toEqual([]);
    expect(readTray('{"a":1}')).toEqual([]);
  });
});

describe("charts", () => {
  const cheap = variation(
    1,
    { checks: [check([], { fixed: 1, still_passing: 4 })] },
    { usage: { cost_usd: 0.1 } },
  );
  const dear = variation(
    2,
    { checks: [check([], { broken: 2, still_passing: 3 })], seconds: 4 },
    { usage: { cost_usd: 0.5 } },
  );

  test("what is dearer and worse is not on the front; what breaks something is marked", () => {
    const { unit, points } = scatter([cheap, dear]);
    expect(unit).toBe("cost");
    expect(points.map(({ passed, total, clean, best }) => [passed, total, clean, best])).toEqual([
      [5, 5, true, true],
      [3, 5, false, false],
    ]);
  });

  test("without a known price it is tokens", () => {
    const spent = { usage: { cost_usd: null, input_tokens: 10 } };
    expect(scatter([variation(1, {}, spent), variation(2, {}, spent)]).unit).toBe("tokens");
  });

  test("time is split into waiting, working and checking", () => {
    const details = run([dear]);
    expect(phases(details, details.variations)).toEqual([{ number: 2, waiting: 5, working: 6, checking: 4 }]);
  });
});
