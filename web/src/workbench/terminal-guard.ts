import type { IFunctionIdentifier, Terminal } from "@xterm/xterm";

/** Titles, colours of the theme, links, the clipboard, and whatever else a terminal may be told out of band. */
const OSC_CODES = [
  0, 1, 2, 4, 5, 7, 8, 9, 10, 11, 12, 13, 17, 19, 22, 52, 104, 105, 110, 111, 112, 133, 633, 777,
  1337,
];
/** Questions to the terminal: what it is, where its cursor is, how it is set, what its window is like. */
const QUERIES: readonly IFunctionIdentifier[] = [
  { final: "c" },
  { prefix: ">", final: "c" },
  { prefix: "=", final: "c" },
  { final: "n" },
  { prefix: "?", final: "n" },
  { intermediates: "$", final: "p" },
  { prefix: "?", intermediates: "$", final: "p" },
  { prefix: ">", final: "q" },
  { final: "t" },
];

/**
 * Text, cursor and colours get through; nothing else does. A terminal answers a question by typing, so whoever gets a
 * hostile file shown would have it type: no question is answered, neither now nor when the screen is drawn anew.
 */
export function blockSequences({ parser }: Terminal): void {
  const swallow = () => true;
  for (const id of OSC_CODES) parser.registerOscHandler(id, swallow);
  for (const id of QUERIES) parser.registerCsiHandler(id, swallow);
  parser.registerDcsHandler({ intermediates: "$", final: "q" }, swallow);
  parser.registerDcsHandler({ intermediates: "+", final: "q" }, swallow);
  parser.registerEscHandler({ final: "Z" }, swallow);
}

const BIDI_CONTROLS = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

/** What would reorder a line before whoever reads it, shown as something that cannot be shown. */
export function replaceBidiControls(text: string): string {
  return text.replace(BIDI_CONTROLS, "\ufffd");
}
