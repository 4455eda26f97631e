import { readFileSync } from "node:fs";
import fc from "fast-check";
import { Fragment, type ReactElement } from "react";
import { renderToStaticMarkup } from "react-dom/server";
import { describe, expect, test } from "vitest";
import { jsxDEV } from "#jsx/jsx-dev-runtime";
import { jsx, jsxs } from "#jsx/jsx-runtime";
import { Markdown } from "../src/ui/markdown";
import { visibleInTerminal, visibleText } from "../src/ui/visible-text";

const TAGS = "\u{e0072}\u{e006d}";
const SPELLED_OUT = "⟨U+E0072⟩⟨U+E006D⟩";
/** What this engine calls invisible; a newer one has assigned more characters. */
const HIDDEN = /[\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/u;

function hex(character: string): string {
  return character.codePointAt(0)?.toString(16).toUpperCase().padStart(4, "0") ?? "";
}

/** Return what may be shown of a character between two letters. */
function expected(character: string): readonly string[] {
  const [seen, spelled] = [`a${character}b`, `a⟨U+${hex(character)}⟩b`];
  if (/\p{Cn}/u.test(character)) return [seen, spelled];
  return !"\t\n".includes(character) && HIDDEN.test(character) ? [spelled] : [seen];
}

let given = "";
function Name({ name }: { name: string }) {
  given = name;
  return jsx("b", { children: name });
}

const characters = fc.oneof(
  fc.constantFrom(
    ..."a1 \n\té👩❤🏽\u20e3مक\u094d\u{e0041}\u200b\u200c\u200d\u00ad\ufe0e\ufe0f\u202e\r",
  ),
  fc.string({ unit: "binary", minLength: 1, maxLength: 1 }),
);
const texts = fc.array(characters, { maxLength: 30 }).map((found) => found.join(""));

describe("what the eye cannot see", () => {
  test("every character of Unicode is seen or spelled out", () => {
    const wrong: string[] = [];
    for (let code = 0; code <= 0x10ffff; code++) {
      const character = String.fromCodePoint(code);
      if (!expected(character).includes(visibleText(`a${character}b`))) wrong.push(hex(character));
    }
    expect(wrong).toEqual([]);
  });

  test.each(["👨‍👩‍👧", "❤️‍🔥 ❤️", "1️⃣", "✔︎", "می‌خواهم", "क्‍ष", "two\n\tlines", "größe 日本語"])(
    "%s stays as it is",
    (text) => expect(visibleText(text)).toBe(text),
  );

  test("what hides in other places is spelled out", () => {
    expect(visibleText(`fix it${TAGS}`)).toBe(`fix it${SPELLED_OUT}`);
    expect(visibleText("a\u200db 1\ufe0f 👩\u200d")).toBe("a⟨U+200D⟩b 1⟨U+FE0F⟩ 👩⟨U+200D⟩");
    expect(visibleText("one\r\ntwo\rthree")).toBe("one\ntwo⟨U+000D⟩three");
    expect(visibleInTerminal(`⚠️ \r\u001b[31m${TAGS}`)).toBe(`⚠️ \r\u001b[31m${SPELLED_OUT}`);
  });

  test("spelling out again changes nothing", () => {
    fc.assert(
      fc.property(texts, (text) => {
        const shown = visibleText(text);
        expect(visibleText(shown)).toBe(shown);
      }),
    );
  });

  const samples = process.env.VISIBLE_SAMPLES;
  test.skipIf(!samples)("it is what Python shows", () => {
    const pairs = JSON.parse(readFileSync(samples ?? "", "utf8")) as [string, string][];
    expect(pairs.length).toBeGreaterThan(1_000);
    expect(pairs.filter(([text, shown]) => visibleText(text) !== shown)).toEqual([]);
  });
});

describe("the JSX runtime", () => {
  const shown = (element: ReactElement) => renderToStaticMarkup(element);

  test("text and labels of every element are spelled out", () => {
    const props = { title: TAGS, "aria-label": TAGS, href: "/x", children: ["a", [TAGS], 1] };
    const markup = `<a title="${SPELLED_OUT}" aria-label="${SPELLED_OUT}" href="/x">a${SPELLED_OUT}1</a>`;
    expect(shown(jsx("a", props))).toBe(markup);
    expect(shown(jsxs("a", props))).toBe(markup);
    expect(shown(jsxDEV("a", props, undefined, true))).toBe(markup);
    expect(shown(jsx(Fragment, { children: TAGS }))).toBe(SPELLED_OUT);
    expect(shown(jsx("title", { children: TAGS }))).toBe(`<title>${SPELLED_OUT}</title>`);
  });

  test("a component gets what it was given, and shows it spelled out", () => {
    expect(shown(jsx(Name, { name: TAGS }))).toBe(`<b>${SPELLED_OUT}</b>`);
    expect(given).toBe(TAGS);
  });

  test("what a person edits is not changed", () => {
    const input = jsx("input", { defaultValue: TAGS, placeholder: TAGS });
    expect(shown(input)).toBe(`<input placeholder="${SPELLED_OUT}" value="${TAGS}"/>`);
  });

  test("Markdown has no way around it", () => {
    const markup = shown(
      jsx(Markdown, { text: `${TAGS} \`${TAGS}\` &#xE0072; &shy; ![${TAGS}](x)` }),
    );
    expect(markup).not.toMatch(/[\u{e0000}-\u{e007f}\u00ad]/u);
    expect(markup).toContain("⟨U+00AD⟩");
    expect(markup).toContain(`[image: ${SPELLED_OUT}]`);
  });
});
