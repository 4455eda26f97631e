import { describe, expect, test } from "vitest";
import type { FileDiff, Hunk } from "../src/api/schema.gen";
import { buildColumns } from "../src/compare/columns";
import { commonChanges } from "../src/compare/common-changes";
import { NOT_RENAMED } from "../src/compare/diff/diff-rows";
import { fileDifferences } from "../src/compare/differences";
import { editorLink } from "../src/compare/editor-link";
import { checkSections } from "../src/compare/matrix-rows";
import { foldRows, groupMessage, matchesQuery } from "../src/compare/matrix-view";
import { ruleChecklist } from "../src/compare/rule-checklist";
import { seatNames } from "../src/compare/seat-names";
import { alternatives, bestTwo, tiedForFirst } from "../src/compare/tie";
import { check, ranked, run, variation } from "./run-fixtures";

const fixes = { checks: [check([], { fixed: 1, still_passing: 7 })], patch: { files: 1 } };
const equal = { fixed: 1, group_share: 2 / 3 };

function tie(identical: readonly (readonly number[])[] = []) {
  return run([variation(1, fixes), variation(2, fixes), variation(3, { checks: [] })], {
    ranking: {
      ...ranked([1, 2, 3]),
      standings: [
        { variation_id: 1, ...equal, cross_total: 0 },
        { variation_id: 2, ...equal, cross_total: 1 },
        { variation_id: 3 },
      ],
    },
    evidence: { identical },
  });
}

describe("a tie", () => {
  test("is what no deciding figure tells apart", () => {
    expect(tiedForFirst(tie())).toEqual([1, 2]);
    expect(bestTwo(tie(), [1, 2, 3])).toEqual([1, 2]);
    expect(alternatives([1, 2, 5])).toBe("1, 2 or 5");
  });

  test("is none where the patch is the same, the first is gated, or nothing is ranked", () => {
    expect(tiedForFirst(tie([[1, 2]]))).toEqual([]);
    expect(tiedForFirst(run([variation(1)]))).toEqual([]);
    const gated = tie();
    const standings = gated.ranking?.standings?.map((each) => ({ ...each, gate: "it breaks" }));
    const ranking = { ...ranked([1, 2]), standings: standings ?? [] };
    expect(tiedForFirst({ ...gated, ranking })).toEqual([]);
  });
});

describe("the rule as a checklist", () => {
  test("tells each condition with its figures", () => {
    const details = run(
      [
        variation(1, {
          checks: [
            check([], { fixed: 1, still_failing: 1, broken: 2, still_passing: 1998, gone: 1 }),
            { check: "lint", kind: "lint", change: "broken" },
          ],
          flags: [{ kind: "secret", path: "a", message: "m" }],
        }),
      ],
      {
        evidence: {
          cross_tests: [
            {
              check: "unit",
              test: "t",
              file: "f",
              authors: [2],
              base: "fail",
              outcomes: { 1: "pass" },
            },
            {
              check: "unit",
              test: "u",
              file: "f",
              authors: [1],
              base: "fail",
              outcomes: { 1: "pass" },
            },
          ],
        },
      },
    );
    expect(ruleChecklist(details, 1).map(({ state, text }) => `${state} ${text}`)).toEqual([
      "partly fixes 1 of 2 that failed on the base",
      "no breaks 2 of 2,000 that passed",
      "no 1 test of the base did not run",
      "yes passes 1 of 1 test that others wrote",
      "no 1 flag to review",
    ]);
  });

  test("says that no check was run", () => {
    expect(ruleChecklist(run([variation(1, {})]), 1)).toEqual([
      { state: "no", text: "no check was run" },
    ]);
  });
});

function hunk(start: number, lines: string): Hunk {
  const kinds = { " ": "context", "-": "removed", "+": "added" } as const;
  const parsed = lines.split("|").map((line) => ({
    kind: kinds[line[0] as " " | "-" | "+"],
    text: line.slice(1),
    newline: true,
  }));
  const count = (kind: string) => parsed.filter((line) => line.kind !== kind).length;
  return {
    old_start: start,
    old_lines: count("added"),
    new_start: start,
    new_lines: count("removed"),
    heading: "",
    lines: parsed,
  };
}

function changed(path: string, ...hunks: Hunk[]): FileDiff {
  const modes = { old_mode: "100644", new_mode: "100644" };
  return { ...NOT_RENAMED, path, status: "modified", binary: false, ...modes, hunks };
}

describe("what several changes have in common", () => {
  const first = [changed("a", hunk(1, " x|-y|+Y| z"), hunk(9, "+one"))];
  const second = [changed("a", hunk(1, " x|-y|+Y| z|-w|+W"), hunk(9, "+two"))];

  test("is told by changed lines, whatever stands around them", () => {
    const common = commonChanges([first, second]);
    expect(common.blocks).toEqual([{ path: "a", start: 2, removed: ["y"], added: ["Y"] }]);
    expect(common.includesHunk("a", first[0]?.hunks[0] as Hunk)).toBe(true);
    expect(common.includesHunk("a", second[0]?.hunks[0] as Hunk)).toBe(false);
    expect(common.includesHunk("a", first[0]?.hunks[1] as Hunk)).toBe(false);
  });

  test("one change has nothing in common with others", () => {
    expect(commonChanges([first]).blocks).toEqual([]);
  });

  test("the files that differ are told with their first lines, shared files first", () => {
    const extra = changed("0", hunk(1, "+new"));
    const found = fileDifferences(
      [1, 2],
      new Map([
        [1, [extra, ...first]],
        [2, second],
      ]),
    );
    expect(found?.map(({ path, only }) => [path, only])).toEqual([
      ["a", null],
      ["0", 1],
    ]);
    expect(found?.[0]?.lines.map((line) => line.text)).toContain("W");
    expect(fileDifferences([1, 2], new Map([[1, first]]))).toBeNull();
  });
});

test("a seat is named by what differs, else by its number", () => {
  const seat = (number: number, spec: object) =>
    variation(number, {}, { spec: { agent: "builtin", ...spec } });
  expect([...seatNames([seat(1, {}), seat(2, {})]).values()]).toEqual(["Attempt 1", "Attempt 2"]);
  const mixed = [
    seat(1, { model: "opus", effort: "high" }),
    seat(2, { model: "sonnet", effort: "high" }),
    seat(3, { model: "opus", effort: "high" }),
    seat(4, { effort: "high" }),
  ];
  expect([...seatNames(mixed).values()]).toEqual([
    "opus · attempt 1",
    "sonnet",
    "opus · attempt 3",
    "Attempt 4",
  ]);
});

describe("a matrix of thousands", () => {
  const broken = Array.from({ length: 100 }, (_, n) => ({
    test: `pkg.test_${n}`,
    change: "broken" as const,
    before: "passed" as const,
    after: "failed" as const,
    message: "ImportError: no name\nat line 3",
  }));
  const details = run([
    variation(1, fixes),
    variation(2, { checks: [check(broken, { broken: 1999, still_passing: 0 })] }),
  ]);
  const section = checkSections(buildColumns(details), [])[0];
  const rows = section?.rows ?? [];

  test("counts in the check's row, and says how many are not listed", () => {
    expect(section?.checkRow.cells.map((cell) => cell.counts)).toEqual(["1 fixed", "1,999 broken"]);
    expect(section?.unlistedCount).toBe(1899);
  });

  test("rows with one message are one row, which opens", () => {
    const [group, ...others] = foldRows(rows, new Set());
    expect(others).toEqual([]);
    expect(group?.type === "group" && groupMessage(group.group)).toBe("ImportError: no name");
    const id = group?.type === "group" ? group.group.id : "";
    expect(foldRows(rows, new Set([id]))).toHaveLength(101);
  });

  test("is filtered and searched", () => {
    const found = (filter: "broken" | "fixed", text: string) =>
      rows.filter((row) => matchesQuery(row, { filter, text })).length;
    expect(found("broken", "")).toBe(100);
    expect(found("broken", "test_99")).toBe(1);
    expect(found("fixed", "")).toBe(0);
  });
});

test("a file of a local repository opens in the chosen editor", () => {
  const spec = { ...run([]).spec, repo_url: "/srv/my project" };
  expect(editorLink("VS Code", spec, "src/a#b.py")).toBe(
    "vscode://file/srv/my%20project/src/a%23b.py",
  );
  expect(editorLink("", spec, "a.py")).toBeNull();
  expect(editorLink("Zed", { ...spec, repo_url: "https://host/x" }, "a.py")).toBeNull();
});
