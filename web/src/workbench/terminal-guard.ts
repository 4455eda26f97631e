import type { IFunctionIdentifier, Terminal } from "@xterm/xterm";

/**
 * Operating system commands: titles, theme colours, links, the clipboard and other out-of-band
 * messages.
 */
const OSC_CODES = [
  0, 1, 2, 4, 5, 7, 8, 9, 10, 11, 12, 13, 17, 19, 22, 52, 104, 105, 110, 111, 112, 133, 633, 777,
  1337,
];
/** Queries: device attributes, cursor position, modes, window state. */
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
 * Block every sequence but text, cursor movement and colours.
 *
 * A terminal answers a query by typing, so a hostile file on the screen could type commands
 * (without this guard, `ESC [ c` did). No query is answered, neither now nor when the screen is
 * drawn again from the server's buffer, as after a reload. A program that asks gets no answer, as
 * from a simple terminal; one that insists waits for its timeout. There is no link handler and no
 * clipboard add-on. A new version of xterm.js may understand more: check these lists with it.
 */
export function blockSequences({ parser }: Terminal): void {
  const swallow = () => true;
  for (const id of OSC_CODES) parser.registerOscHandler(id, swallow);
  for (const id of QUERIES) parser.registerCsiHandler(id, swallow);
  parser.registerDcsHandler({ intermediates: "$", final: "q" }, swallow);
  parser.registerDcsHandler({ intermediates: "+", final: "q" }, swallow);
  parser.registerEscHandler({ final: "Z" }, swallow);
}
