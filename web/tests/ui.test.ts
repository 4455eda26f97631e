import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  formatAge,
  formatBudget,
  formatCost,
  formatCount,
  formatDuration,
  formatShortDuration,
  pluralize,
  repositoryName,
} from "../src/ui/format";
import { lineDiff } from "../src/ui/line-diff";
import { visibleLine, visibleTerminal, visibleText } from "../src/ui/visible-text";

describe("figures", () => {
  test.each([
    [0, "0 s"],
    [59_900, "59 s"],
    [64_000, "1:04"],
    [7_387_000, "2:03:07"],
    [-5, "0 s"],
  ])("%d ms last %s", (ms, text) => expect(formatDuration(ms)).toBe(text));

  test("a short span has tenths", () =>
    expect([
      formatShortDuration(420),
      formatShortDuration(9_940),
      formatShortDuration(64_000),
    ]).toEqual(["0.4 s", "9.9 s", "1:04"]));

  test("money is exact while it is small", () => {
    expect([0, 0.00805, 0.5, 12.3456].map(formatCost)).toEqual([
      "$0",
      "$0.0080",
      "$0.500",
      "$12.35",
    ]);
    expect(formatCost(null)).toBe("price unknown");
    expect([formatBudget(2), formatBudget(1.5)]).toEqual(["$2", "$1.50"]);
  });

  test("counts, words and times", () => {
    expect([940, 12_440, 310_000, 3_100_000].map(formatCount)).toEqual([
      "940",
      "12.4k",
      "310k",
      "3.1M",
    ]);
    expect([pluralize(1, "file"), pluralize(2, "entry", "entries")]).toEqual([
      "1 file",
      "2 entries",
    ]);
    expect(formatAge(0, 4 * 60_000)).toBe("4 min ago");
  });

  test.each([
    ["https://github.com/user/repo.git", "user/repo"],
    ["/home/me/project", "me/project"],
    ["https://git.example.org/a/b/c/", "b/c"],
    ["", ""],
  ])("%s is called %s", (url, name) => expect(repositoryName(url)).toBe(name));
});

describe("text that an agent wrote", () => {
  test("what reorders or hides text is written out", () => {
    expect(visibleText("user\u202egnp.exe")).toBe("user⟨U+202E⟩gnp.exe");
    expect(visibleText("a\u0000b\u001bc")).toBe("a⟨U+0000⟩b⟨U+001B⟩c");
    expect(visibleLine("two\n  lines")).toBe("two lines");
  });

  test("of terminal sequences only colours stay", () => {
    expect(visibleTerminal("\u001b[31mred\u001b[0m\u001b[2J\u001b(B\u001b7")).toBe(
      "\u001b[31mred\u001b[0m",
    );
  });

  test("of terminal output no text is lost", () => {
    expect(visibleTerminal("\u001b]0;title\u0007")).toBe("⟨U+001B⟩]0;title⟨U+0007⟩");
    expect(visibleTerminal("\u001b]8;;https://x\u0007link")).toBe(
      "⟨U+001B⟩]8;;https://x⟨U+0007⟩link",
    );
    expect(visibleTerminal("10%\r50%\r100%\n")).toBe("⟨U+000D⟩100%\n");
    expect(visibleTerminal("one\r\ntwo\r\n")).toBe("one\ntwo\n");
  });

  test("whatever comes in, no escape goes out but a colour's", () => {
    fc.assert(
      fc.property(
        fc.string({ unit: "binary" }),
        fc.constantFrom("\u001b[", "\u001b]", "\u009b", "\u001b["),
        (text, start) => {
          const shown = visibleTerminal(`${text}${start}${text}`);
          expect(shown.replace(/\u001b\[[\d;]*m/g, "")).not.toMatch(
            /[\u0000-\u0008\u000b-\u001a\u009b\u202a-\u202e]/,
          );
        },
      ),
    );
  });
});

describe("what changed between two texts", () => {
  const text = fc
    .array(fc.constantFrom("a", "b", "c", ""), { maxLength: 12 })
    .map((lines) => lines.map((each) => `${each}\n`).join(""));

  test("a changed line in its place", () => {
    const kinds = lineDiff("a\nb\nc\n", "a\nx\nc\n").map((each) => `${each.kind} ${each.text}`);
    expect(kinds).toEqual(["same a", "removed b", "added x", "same c"]);
  });

  test("a new file is all added", () =>
    expect(lineDiff(null, "a\n")).toEqual([{ kind: "added", text: "a" }]));

  test("without what was added it is the old text, without what was removed the new one", () => {
    fc.assert(
      fc.property(text, text, (before, after) => {
        const found = lineDiff(before, after);
        const without = (kind: string) =>
          found
            .filter((each) => each.kind !== kind)
            .map((each) => `${each.text}\n`)
            .join("");
        expect([without("added"), without("removed")]).toEqual([before, after]);
      }),
    );
  });
});
