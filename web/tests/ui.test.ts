import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ago, cap, count, duration, money, plural, repoName, span } from "../src/ui/format";
import { lineDiff } from "../src/ui/line-diff";
import { line, plain, terminal } from "../src/ui/plain";

describe("figures", () => {
  test.each([
    [0, "0 s"],
    [59_900, "59 s"],
    [64_000, "1:04"],
    [7_387_000, "2:03:07"],
    [-5, "0 s"],
  ])("%d ms last %s", (ms, text) => expect(duration(ms)).toBe(text));

  test("a short span has tenths", () =>
    expect([span(420), span(9_940), span(64_000)]).toEqual(["0.4 s", "9.9 s", "1:04"]));

  test("money is exact while it is small", () => {
    expect([0, 0.00805, 0.5, 12.3456].map(money)).toEqual(["$0", "$0.0080", "$0.500", "$12.35"]);
    expect(money(null)).toBe("price unknown");
    expect([cap(2), cap(1.5)]).toEqual(["$2", "$1.50"]);
  });

  test("counts, words and times", () => {
    expect([940, 12_440, 310_000, 3_100_000].map(count)).toEqual(["940", "12.4k", "310k", "3.1M"]);
    expect([plural(1, "file"), plural(2, "entry", "entries")]).toEqual(["1 file", "2 entries"]);
    expect(ago(0, 4 * 60_000)).toBe("4 min ago");
  });

  test.each([
    ["https://github.com/user/repo.git", "user/repo"],
    ["/home/me/project", "me/project"],
    ["https://git.example.org/a/b/c/", "b/c"],
    ["", ""],
  ])("%s is called %s", (url, name) => expect(repoName(url)).toBe(name));
});

describe("text that an agent wrote", () => {
  test("what reorders or hides text is written out", () => {
    expect(plain("user\u202egnp.exe")).toBe("user⟨202E⟩gnp.exe");
    expect(plain("a\u0000b\u001bc")).toBe("a␀b␛c");
    expect(line("two\n  lines")).toBe("two lines");
  });

  test("of terminal sequences only colours stay", () => {
    expect(terminal("\u001b[31mred\u001b[0m\u001b[2J\u001b]0;title\u0007")).toBe(
      "\u001b[31mred\u001b[0m",
    );
    expect(terminal("\u001b]8;;javascript:x\u001b\\link\u001b]8;;\u001b\\")).toBe("link");
    expect(terminal("10%\r50%\r100%\n")).toBe("100%\n");
  });

  test("whatever comes in, no escape goes out but a colour's", () => {
    fc.assert(
      fc.property(
        fc.string({ unit: "binary" }),
        fc.constantFrom("\u001b[", "\u001b]", "\u009b", "\u001b["),
        (text, start) => {
          const shown = terminal(`${text}${start}${text}`);
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
