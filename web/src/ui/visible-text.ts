/**
 * Spell out the characters of foreign text that nobody would see: a model reads Unicode's tags,
 * zero-width characters and variation selectors as text. The rule and its tables are those of
 * `src/aideator/domain/visible.py`. The JSX runtime of the page applies `visibleText` to every
 * string that becomes text or a label of the document, as React does for `<` and `&`; call it
 * where text goes elsewhere, or is compared or cut before it is shown.
 */
import { EMOJI, INVISIBLE, JOINING } from "./characters.gen";

const emoji = characterClass(EMOJI);
const joining = characterClass(JOINING);
const invisible = new RegExp(characterClass(INVISIBLE), "gu");
/**
 * What changes the shape of its visible neighbours: the selector after an emoji, of a keycap, and
 * joiners within a sequence of emoji and between letters that need them.
 * https://www.unicode.org/reports/tr51/#emoji_sequences
 */
const needed = new RegExp(
  `(?<=${emoji})[\\ufe0e\\ufe0f]` +
    "|(?<=[0-9#*])\\ufe0f(?=\\u20e3)" +
    `|(?:(?<=${emoji})|(?<=${emoji}\\ufe0f))\\u200d(?=${emoji})` +
    `|(?<=${joining})[\\u200c\\u200d](?=${joining})`,
  "uy",
);
const PRINTABLE_ASCII = /^[\t\n -~]*$/;
const COLOUR = /^\u001b\[[\d;]*m$/;
/** Sequences that carry no text: control sequences and single escapes. */
const TERMINAL_SEQUENCE = /\u001b(?:\[[0-?]*[ -/]*[@-~]|[ -/]+[0-~]|[0-OQ-WYZ`-~])/g;

/** Return the text with every invisible character spelled out, as in `⟨U+200B⟩`. */
export function visibleText(text: string): string {
  if (PRINTABLE_ASCII.test(text)) return text;
  const lines = text.replaceAll("\r\n", "\n");
  return lines.replace(invisible, (found, place: number) =>
    spellOutUnlessNeeded(found, place, lines),
  );
}

/** Like `visibleText`, on one line: for titles, paths and names. */
export function visibleLine(text: string): string {
  return visibleText(text).replace(/\s+/g, " ");
}

/**
 * Return terminal output that keeps its colours. Other control sequences are removed; titles,
 * links and all else that holds text are spelled out.
 */
export function visibleTerminal(text: string): string {
  const coloured = text.replace(TERMINAL_SEQUENCE, (sequence) =>
    COLOUR.test(sequence) ? sequence : "",
  );
  // A carriage return overwrites the line, so only the last state of a progress bar is shown.
  const lines = coloured.replaceAll("\r\n", "\n").split("\n").map(lastState);
  return lines
    .join("\n")
    .split(/(\u001b\[[\d;]*m)/)
    .map(visibleUnlessColour)
    .join("");
}

/** Return output for a terminal, which gets control characters but nothing else invisible. */
export function visibleInTerminal(output: string): string {
  return output.replace(invisible, (found, place: number) =>
    found < "\u00a0" ? found : spellOutUnlessNeeded(found, place, output),
  );
}

function visibleUnlessColour(part: string): string {
  return COLOUR.test(part) ? part : visibleText(part);
}

/** Return what a line shows in the end, after a mark where it has overwritten something. */
function lastState(line: string): string {
  const text = line.replace(/\r+$/, "");
  return text.slice(Math.max(0, text.lastIndexOf("\r")));
}

function spellOutUnlessNeeded(found: string, place: number, text: string): string {
  needed.lastIndex = place;
  if (needed.test(text)) return found;
  const code = found.codePointAt(0) ?? 0;
  return `⟨U+${code.toString(16).toUpperCase().padStart(4, "0")}⟩`;
}

/** Return ranges of hexadecimal code points as a character class. */
function characterClass(ranges: string): string {
  const inside = ranges.split(/\s/).map((range) =>
    range
      .split("-")
      .map((code) => `\\u{${code}}`)
      .join("-"),
  );
  return `[${inside.join("")}]`;
}
