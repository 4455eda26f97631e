/**
 * Text that an agent wrote, made harmless to look at: what reorders or hides text (bidi controls, zero-width, C0 and
 * C1) is shown as what it is. React escapes the rest.
 */
const INVISIBLE =
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]/g;
const TERMINAL_SEQUENCE =
  /\u001b(?:\][^\u0007\u001b]*(?:\u0007|\u001b\\)|[P^_X][^\u001b]*\u001b\\|\[[0-?]*[ -/]*[@-~]|[ -/]*[0-~])/g;

/** Visible text, with every invisible character written out. */
export function visibleText(text: string): string {
  return text.replace(/\r\n?/g, "\n").replace(INVISIBLE, spellOut);
}

/** As `plain`, on one line: for titles, paths, names. */
export function visibleLine(text: string): string {
  return visibleText(text).replace(/\s+/g, " ");
}

/** Terminal output: colours stay, every other sequence goes (titles, links, clipboard, cursor). */
export function visibleTerminal(text: string): string {
  const coloured = text.replace(TERMINAL_SEQUENCE, (sequence) =>
    /^\u001b\[[\d;]*m$/.test(sequence) ? sequence : "",
  );
  // A carriage return overwrites the line: of a progress bar the last state is shown.
  const lines = coloured.replace(/\r\n/g, "\n").split("\n");
  const settled = lines.map((each) => each.slice(each.replace(/\r+$/, "").lastIndexOf("\r") + 1));
  return settled
    .join("\n")
    .replace(INVISIBLE, (found) => (found === "\u001b" ? found : spellOut(found)));
}

function spellOut(found: string): string {
  const code = found.charCodeAt(0);
  return code < 0x20 ? String.fromCharCode(0x2400 + code) : `⟨${code.toString(16).toUpperCase()}⟩`;
}
