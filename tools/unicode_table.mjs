// Write src/aideator/domain/characters.py from the Unicode data of this Node:
//
//     node tools/unicode_table.mjs > src/aideator/domain/characters.py
//     .venv/bin/python tools/render_characters.py
//
// Run it with the newest Node: what Unicode has not assigned yet is spelled out.

// The classes of Unicode that have no glyph of their own, and what the standard says to
// ignore where it is not supported, such as variation selectors and Hangul fillers.
const INVISIBLE = /[\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/u;
const EMOJI = /\p{Emoji}/u;
// Scripts whose letters change their shape beside each other, or stack.
const JOINING_SCRIPTS = [
  "Arabic", "Syriac", "Nko", "Mongolian", "Devanagari", "Bengali", "Gurmukhi", "Gujarati",
  "Oriya", "Tamil", "Telugu", "Kannada", "Malayalam", "Sinhala", "Tibetan", "Myanmar", "Khmer",
];
const JOINING = new RegExp(`[${JOINING_SCRIPTS.map((name) => `\\p{Script=${name}}`).join("")}]`, "u");
const LETTER_OR_MARK = /[\p{L}\p{M}]/u;

const isInvisible = (c) => c !== "\t" && c !== "\n" && INVISIBLE.test(c);
const isEmoji = (c) => EMOJI.test(c) && !/[0-9#*]/.test(c) && !isInvisible(c);
const joins = (c) => JOINING.test(c) && LETTER_OR_MARK.test(c) && !isInvisible(c);

function ranges(isMember) {
  const found = [];
  for (let code = 0; code <= 0x10ffff; code++) {
    if (!isMember(String.fromCodePoint(code))) continue;
    const last = found.at(-1);
    if (last && last[1] === code - 1) last[1] = code;
    else found.push([code, code]);
  }
  return found.map((pair) => [...new Set(pair)].map((code) => code.toString(16).toUpperCase()).join("-"));
}

function wrapped(words) {
  const lines = [""];
  for (const word of words) {
    if (lines.at(-1).length + word.length > 86) lines.push("");
    lines[lines.length - 1] += lines.at(-1) ? ` ${word}` : word;
  }
  return lines.join("\n");
}

const table = (name, isMember, meaning) => `${name} = """
${wrapped(ranges(isMember))}
"""
"""${meaning}"""
`;
process.stdout.write(`"""Tables of Unicode ${process.versions.unicode}, by \`node tools/unicode_table.mjs\`.

Ranges of code points in hexadecimal. They are stored, not read from the interpreter,
so that every Python and every browser shows the same text.
"""

${table("INVISIBLE", isInvisible, `Categories Cc (without tab and newline), Cf, Cn, Co, Cs, Zl, Zp, and
Default_Ignorable_Code_Point. https://www.unicode.org/reports/tr44/`)}
${table("EMOJI", isEmoji, `Emoji without digits, # and *. https://www.unicode.org/reports/tr51/`)}
${table("JOINING", joins, `Letters and marks of cursive and Indic scripts, which need joiners.
https://www.unicode.org/versions/Unicode17.0.0/core-spec/chapter-23/`)}`);
