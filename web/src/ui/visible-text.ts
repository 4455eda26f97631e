/**
 * Make text written by agents safe to display: characters that reorder or hide text (bidirectional
 * controls, zero-width characters, C0 and C1 controls) are spelled out. React escapes the rest.
 */
const INVISIBLE =
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]/g;
const TERMINAL_SEQUENCE =
  /\u001b(?:\][^\u0007\u001b]*(?:\u0007|\u001b\\)|[P^_X][^\u001b]*\u001b\\|\[[0-?]*[ -/]*[@-~]|[ -/]*[0-~])/g;

/** Return the text with every invisible character spelled out. */
export function visibleText(text: string): string {
  return text.replace(/\r\n?/g, "\n").replace(INVISIBLE, spellOut);
}

/** Like `visibleText`, on one line: for titles, paths and names. */
export function visibleLine(text: string): string {
  return visibleText(text).replace(/\s+/g, " ");
}

/**
 * Return terminal output that keeps its colours; every other sequence (titles, links, clipboard,
 * cursor) is removed.
 */
export function visibleTerminal(text: string): string {
  const coloured = text.replace(TERMINAL_SEQUENCE, (sequence) =>
    /^\u001b\[[\d;]*m$/.test(sequence) ? sequence : "",
  );
  // A carriage return overwrites the line, so only the last state of a progress bar is shown.
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
