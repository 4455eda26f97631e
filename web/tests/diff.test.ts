import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { DiffLine, FileDiff } from "../src/api/schema.gen";
import { changedWords } from "../src/compare/diff/changed-words";
import { diffBetween } from "../src/compare/diff/diff-between";
import { buildDiffRows, NOT_RENAMED, showRenames } from "../src/compare/diff/diff-rows";
import { markChanges } from "../src/compare/diff/marked-tokens";
import { editScript, toHunks } from "../src/compare/diff/myers-diff";
import { openDelimiter } from "../src/compare/diff/syntax-highlight";

type Text = Pick<DiffLine, "text" | "newline">;

function lines(text: string): Text[] {
  return text === "" ? [] : text.split("").map((each) => ({ text: each, newline: true }));
}

/** Return the diff that git would make of one file. */
function diffOf(before: string | null, after: string | null, path = "a.py"): FileDiff[] {
  if (before === after) return [];
  let status: FileDiff["status"] = after === null ? "removed" : "modified";
  if (before === null) status = "added";
  return [
    {
      ...NOT_RENAMED,
      path,
      status,
      binary: false,
      old_mode: before === null ? null : "100644",
      new_mode: after === null ? null : "100644",
      hunks: toHunks(editScript(lines(before ?? ""), lines(after ?? "")), 1, 1),
    },
  ];
}

describe("a rename", () => {
  test("shows what changes besides the name, once", () => {
    const [added, removed, changed] = ["new.py", "old.py", "x"].map(
      (path, at) => diffOf(at === 0 ? null : "abc", at === 1 ? null : "abd", path)[0],
    );
    if (!added || !removed || !changed) throw new Error("there is a difference");
    const files = showRenames([
      { ...added, renamed_from: "old.py", rename_hunks: changed.hunks },
      { ...removed, renamed_to: "new.py" },
    ]);
    expect(files[0]?.hunks).toBe(changed.hunks);
    const notes = buildDiffRows(files, "unified").filter((row) => row.type === "note");
    expect(notes).toMatchObject([{ text: "Renamed to new.py." }]);
  });
});

/** Apply a diff to a text, independently of how the diff is made. */
function applied(text: string, diff: readonly FileDiff[]): string {
  const old = text.split("");
  const result: string[] = [];
  let at = 0;
  for (const hunk of diff[0]?.hunks ?? []) {
    const start = hunk.old_lines === 0 ? hunk.old_start : hunk.old_start - 1;
    const without = (kind: DiffLine["kind"]) =>
      hunk.lines.filter((line) => line.kind !== kind).map((line) => line.text);
    result.push(...old.slice(at, start));
    expect(result.length).toBe(hunk.new_lines === 0 ? hunk.new_start : hunk.new_start - 1);
    result.push(...without("removed"));
    expect(without("added")).toEqual(old.slice(start, start + hunk.old_lines));
    at = start + hunk.old_lines;
  }
  return [...result, ...old.slice(at)].join("");
}

const text = fc.string({ unit: fc.constantFrom(..."abcdef"), maxLength: 60 });

describe("from one variation to another", () => {
  test("what is between A and B turns A into B, whatever both did to the base", () => {
    fc.assert(
      fc.property(text, text, text, (base, a, b) => {
        expect(applied(a, diffBetween(diffOf(base, a), diffOf(base, b)))).toBe(b);
      }),
      { numRuns: 500 },
    );
  });

  test("a few edits far apart stay apart", () => {
    const base = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJ";
    const [a, b] = [base.replace("c", "1"), base.replace("C", "2")];
    const found = diffBetween(diffOf(base, a), diffOf(base, b));
    expect(found[0]?.hunks).toHaveLength(2);
    expect(applied(a, found)).toBe(b);
  });

  test("the same change is none", () => {
    expect(diffBetween(diffOf("abc", "abd"), diffOf("abc", "abd"))).toEqual([]);
  });

  test("a file that only one adds, removes, or both remove", () => {
    expect(diffBetween([], diffOf(null, "new"))[0]?.status).toBe("added");
    expect(diffBetween(diffOf(null, "new"), [])[0]?.status).toBe("removed");
    expect(diffBetween(diffOf("old", null), diffOf("old", "other"))[0]?.status).toBe("added");
    expect(diffBetween(diffOf("old", null), diffOf("old", null))).toEqual([]);
  });

  test("of a binary file nothing is claimed", () => {
    const file: FileDiff = {
      ...NOT_RENAMED,
      path: "x.png",
      status: "modified",
      binary: true,
      old_mode: "100644",
      new_mode: "100644",
      hunks: [],
    };
    expect(diffBetween([file], [file])[0]?.binary).toBe(true);
  });
});

describe("the shortest script", () => {
  test("keeps both sides whole", () => {
    fc.assert(
      fc.property(text, text, (a, b) => {
        const result = editScript(lines(a), lines(b));
        expect(result.flatMap((line) => (line.kind === "added" ? [] : [line.text])).join("")).toBe(
          a,
        );
        expect(
          result.flatMap((line) => (line.kind === "removed" ? [] : [line.text])).join(""),
        ).toBe(b);
      }),
    );
  });

  test("is short", () => {
    const result = editScript(lines("abcdef"), lines("abXdef"));
    expect(result.filter((line) => line.kind !== "context")).toHaveLength(2);
  });

  test("a lost line feed is a change", () => {
    const result = editScript([{ text: "a", newline: true }], [{ text: "a", newline: false }]);
    expect(result.map((line) => line.kind)).toEqual(["removed", "added"]);
  });
});

describe("rows", () => {
  const files = diffOf("abcdefgh", "abXYefgh");

  test("side by side, what replaces stands beside what it replaces", () => {
    const rows = buildDiffRows(files, "split");
    const changed = rows.flatMap((row) =>
      row.type === "line" && row.oldSide?.partner ? [row] : [],
    );
    expect(changed.map((row) => [row.oldSide?.line.text, row.newSide?.line.text])).toEqual([
      ["c", "X"],
      ["d", "Y"],
    ]);
    expect(changed[0]?.oldSide?.number).toBe(3);
  });

  test("unified, every line is one row", () => {
    const rows = buildDiffRows(files, "unified");
    expect(rows.filter((row) => row.type === "line")).toHaveLength(
      files[0]?.hunks[0]?.lines.length ?? 0,
    );
  });

  test("a folded file is its head", () => {
    expect(
      buildDiffRows(files, "unified", { folded: new Set(["a.py"]) }).map((row) => row.type),
    ).toEqual(["file"]);
  });
});

describe("words", () => {
  test("one word changed", () => {
    expect(changedWords("return a - b", "return a + b")).toEqual({
      oldRanges: [[9, 10]],
      newRanges: [[9, 10]],
    });
  });

  test("two different lines are no pair", () => {
    expect(changedWords("import os", "def f(x): pass")).toBeNull();
  });

  test("segments lay changes over tokens and lose no character", () => {
    fc.assert(
      fc.property(fc.array(fc.string()), fc.nat(20), fc.nat(20), (texts, a, b) => {
        const range = [Math.min(a, b), Math.max(a, b)] as const;
        const result = markChanges(
          texts.map((each) => ({ text: each, scope: null })),
          [range],
        );
        expect(result.map((each) => each.text).join("")).toBe(texts.join(""));
      }),
    );
  });
});

test("a stretch that begins in a docstring or comment is known by its end", () => {
  expect(openDelimiter("python", 'words.\n    """\n    return 1')).toBe('"""');
  expect(openDelimiter("python", 'def f():\n    """Words\n')).toBe("");
  expect(openDelimiter("javascript", " * words\n */\nlet a;")).toBe("/*");
  expect(openDelimiter("javascript", "/* a */ let b;")).toBe("");
});
