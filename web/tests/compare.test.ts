import { describe, expect, test } from "vitest";
import { buildColumns, groupSpans } from "../src/compare/columns";
import { crossTestRows } from "../src/compare/cross-test-rows";
import { buildFileMap } from "../src/compare/file-map";
import { checkSections } from "../src/compare/matrix-rows";
import { check, file, ranked, run, variation } from "./run-fixtures";

describe("columns", () => {
  test("best first, those without a verdict last, the same patch once, alike side by side", () => {
    const details = run(
      [1, 2, 3, 4, 5].map((n) => variation(n, n === 4 ? null : {})),
      {
        ranking: ranked([3, 1, 2, 5]),
        evidence: { identical: [[2, 5]], groups: [[3, 2, 5], [1]] },
      },
    );
    const columns = buildColumns(details);
    expect(columns.map((column) => column.members)).toEqual([[3], [2, 5], [1], [4]]);
    expect(groupSpans(columns)).toEqual([
      { group: 0, columns: 2 },
      { group: 1, columns: 1 },
      { group: null, columns: 1 },
    ]);
  });

  test("only those that are asked for", () => {
    const details = run([variation(1), variation(2), variation(3)]);
    expect(buildColumns(details, [3, 1]).map((column) => column.number)).toEqual([1, 3]);
  });
});

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
        check(
          [{ test: "b", change: "broken", before: "passed", after: "failed", message: "boom" }],
          {
            broken: 1,
            still_failing: 1,
            still_passing: 8,
          },
        ),
      ],
    }),
    variation(3, null),
  ]);
  const section = checkSections(buildColumns(details), [{ command: "make", name: "unit" }])[0];
  const states = (id: string) =>
    section?.rows.find((row) => row.title === id)?.cells.map((cell) => cell.state);

  test("what a verdict does not name passes as before, if nothing was left out", () => {
    expect(states("b")).toEqual(["still_passing", "broken", "none"]);
  });

  test("where the list was cut, nothing is claimed", () => {
    expect(states("a")).toEqual(["fixed", "unlisted", "none"]);
  });

  test("a new test is absent elsewhere, not failing", () => {
    const whole = checkSections(
      buildColumns(
        run([
          variation(1, {
            checks: [check([{ test: "mine", change: "new", after: "passed" }], { new: 1 })],
          }),
          variation(2, { checks: [check([], { still_passing: 3 })] }),
        ]),
      ),
      [],
    )[0];
    expect(whole?.rows[0]?.cells.map((cell) => cell.state)).toEqual(["new", "absent"]);
    expect(whole?.rows[0]?.base).toBeNull();
  });

  test("rows that differ come first, what is fixed on top; messages are kept", () => {
    expect(section?.rows.map((row) => row.title)).toEqual(["a", "b", "mine"]);
    expect(section?.rows[1]?.cells[1]?.message).toBe("boom");
  });

  test("tests that pass everywhere are counted without those that have a row", () => {
    expect(section?.passingCount).toBe(8);
  });

  test("what fails everywhere as before is hidden", () => {
    const both = check(
      [{ test: "old", change: "still_failing", before: "failed", after: "failed" }],
      {
        still_failing: 1,
      },
    );
    const found = checkSections(
      buildColumns(run([variation(1, { checks: [both] }), variation(2, { checks: [both] })])),
      [],
    );
    expect(found[0]?.rows).toEqual([]);
    expect(found[0]?.sameRows.map((row) => row.title)).toEqual(["old"]);
  });

  test("cross-tests: by weight, with what each target said", () => {
    const columns = buildColumns(run([variation(1), variation(2)]));
    const about = { check: "unit", file: "t.py", base: "fail" as const };
    const rows = crossTestRows(columns, [
      { ...about, test: "weak", authors: [1], outcomes: { 1: "pass", 2: "pass" }, weight: 0 },
      {
        ...about,
        test: "sharp",
        authors: [2],
        outcomes: { 1: "not_comparable", 2: "pass" },
        weight: 0.8,
      },
    ]);
    expect(rows.map((row) => row.title)).toEqual(["sharp", "weak"]);
    expect(rows[0]?.cells.map((cell) => cell.state)).toEqual(["not_comparable", "pass"]);
    expect(rows[1]?.differs).toBe(false);
  });
});

test("the file map says where two did the same, and who left a file alone", () => {
  const columns = buildColumns(run([variation(1), variation(2), variation(3)]));
  const diffs = new Map([
    [1, [file("a", "x"), file("b", "1")]],
    [2, [file("a", "y")]],
    [3, [file("a", "x")]],
  ]);
  const map = buildFileMap(columns, diffs);
  expect(map.map((line) => line.path)).toEqual(["a", "b"]);
  expect(map[0]?.cells.map((cell) => cell?.sameIn)).toEqual([[1, 3], [2], [1, 3]]);
  expect(map[1]?.cells.map((cell) => cell?.additions ?? null)).toEqual([2, null, null]);
});
