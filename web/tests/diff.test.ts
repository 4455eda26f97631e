import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { DiffLine, FileDiff } from "../src/api/schema.gen";
import { between } from "../src/compare/diff/between";
import { hunks, script } from "../src/compare/diff/edits";
import { begunBefore } from "../src/compare/diff/highlight";
import { rowsOf } from "../src/compare/diff/rows";
import { segments } from "../src/compare/diff/tokens";
import { changedWords } from "../src/compare/diff/words";

type Text = Pick<DiffLine, "text" | "newline">;

function lines(text: string): Text[] {
  return text === "" ? [] : text.split("").map((each) => ({ text: each, newline: true }));
}

/** The diff that git would make, of one file. */
function diffOf(before: string | null, after: string | null, path = "a.py"): FileDiff[] {
  if (before === after) return [];
  return [
    {
      path,
      status: before === null ? "added" : after === null ? "removed" : "modified",
      binary: false,
      old_mode: before === null ? null : "100644",
      new_mode: after === null ? null : "100644",
      hunks: hunks(script(lines(before ?? ""), lines(after ?? "")), 1, 1),
    },
  ];
}

/** What a file becomes: the meaning of a diff, told independently of how it is made. */
function applied(text: string, diff: readonly FileDiff[]): string {
  const old = text.split("");
  const made: string[] = [];
  let at = 0;
  for (const hunk of diff[0]?.hunks ?? []) {
    const start = hunk.old_lines === 0 ? hunk.old_start : hunk.old_start - 1;
    made.push(...old.slice(at, start));
    expect(made.length).toBe(hunk.new_lines === 0 ? hunk.new_start : hunk.new_start - 1);
    for (const line of hunk.lines) if (line.kind !== "removed") made.push(line.text);
    expect(hunk.lines.filter((line) => line.kind !== "added").map((line) => line.text)).toEqual(
      old.slice(start, start + hunk.old_lines),
    );
    at = start + hunk.old_lines;
  }
  return [...made, ...old.slice(at)].join("");
}

const text = fc.string({ unit: fc.constantFrom(..."abcdef"), maxLength: 60 });

describe("from one variation to another", () => {
  test("what is between A and B turns A into B, whatever both did to the base", () => {
    fc.assert(
      fc.property(text, text, text, (base, a, b) => {
        expect(applied(a, between(diffOf(base, a), diffOf(base, b)))).toBe(b);
      }),
      { numRuns: 500 },
    );
  });

  test("a few edits far apart stay apart", () => {
    const base = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJ";
    const [a, b] = [base.replace("c", "1"), base.replace("C", "2")];
    const found = between(diffOf(base, a), diffOf(base, b));
    expect(found[0]?.hunks).toHaveLength(2);
    expect(applied(a, found)).toBe(b);
  });

  test("the same change is none", () => {
    expect(between(diffOf("abc", "abd"), diffOf("abc", "abd"))).toEqual([]);
  });

  test("a file that only one adds, removes, or both remove", () => {
    expect(between([], diffOf(null, "new"))[0]?.status).toBe("added");
    expect(between(diffOf(null, "new"), [])[0]?.status).toBe("removed");
    expect(between(diffOf("old", null), diffOf("old", "other"))[0]?.status).toBe("added");
    expect(between(diffOf("old", null), diffOf("old", null))).toEqual([]);
  });

  test("of a binary file nothing is claimed", () => {
    const file: FileDiff = {
      path: "x.png",
      status: "modified",
      binary: true,
      old_mode: "100644",
      new_mode: "100644",
      hunks: [],
    };
    expect(between([file], [file])[0]?.binary).toBe(true);
  });
});

describe("the shortest script", () => {
  test("keeps both sides whole", () => {
    fc.assert(
      fc.property(text, text, (a, b) => {
        const made = script(lines(a), lines(b));
        expect(made.flatMap((line) => (line.kind === "added" ? [] : [line.text])).join("")).toBe(a);
        expect(made.flatMap((line) => (line.kind === "removed" ? [] : [line.text])).join("")).toBe(b);
      }),
    );
  });

  test("is short", () => {
    const made = script(lines("abcdef"), lines("abXdef"));
    expect(made.filter((line) => line.kind !== "context")).toHaveLength(2);
  });

  test("a lost line feed is a change", () => {
    const made = script([{ text: "a", newline: true }], [{ text: "a", newline: false }]);
    expect(made.map((line) => line.kind)).toEqual(["removed", "added"]);
  });
});

describe("rows", () => {
  const files = diffOf("abcdefgh", "abXYefgh");

  test("side by side, what replaces stands beside what it replaces", () => {
    const rows = rowsOf(files, "split", new Set());
    const changed = rows.flatMap((row) => (row.type === "line" && row.old?.partner ? [row] : []));
    expect(changed.map((row) => [row.old?.line.text, row.now?.line.text])).toEqual([
      ["c", "X"],
      ["d", "Y"],
    ]);
    expect(changed[0]?.old?.number).toBe(3);
  });

  test("unified, every line is one row", () => {
    const rows = rowsOf(files, "unified", new Set());
    expect(rows.filter((row) => row.type === "line")).toHaveLength(files[0]?.hunks[0]?.lines.length ?? 0);
  });

  test("a folded file is its head", () => {
    expect(rowsOf(files, "unified", new Set(["a.py"])).map((row) => row.type)).toEqual(["file"]);
  });
});

describe("words", () => {
  test("one word changed", () => {
    expect(changedWords("return a - b", "return a + b")).toEqual({ old: [[9, 10]], now: [[9, 10]] });
  });

  test("two different lines are no pair", () => {
    expect(changedWords("import os", "def f(x): pass")).toBeNull();
  });

  test("segments lay changes over tokens and lose no character", () => {
    fc.assert(
      fc.property(fc.array(fc.string()), fc.nat(20), fc.nat(20), (texts, a, b) => {
        const range = [Math.min(a, b), Math.max(a, b)] as const;
        const made = segments(
          texts.map((each) => ({ text: each, scope: null })),
          [range],
        );
        expect(made.map((each) => each.text).join("")).toBe(texts.join(""));
      }),
    );
  });
});

test("a stretch that begins in a docstring or comment is known by its end", () => {
  expect(begunBefore("python", 'words.\n    """\n    return 1')).toBe('"""');
  expect(begunBefore("python", 'def f():\n    """Words\n')).toBe("");
  expect(begunBefore("javascript", " * words\n */\nlet a;")).toBe("/*");
  expect(begunBefore("javascript", "/* a */ let b;")).toBe("");
});
