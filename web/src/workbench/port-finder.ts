/**
 * Finds the ports that development servers print. An address at the very end of the output may be
 * incomplete, so it waits for more.
 */
const ADDRESS = /https?:\/\/(?:localhost|127\.0\.0\.1|0\.0\.0\.0|\[::1?\]):(\d{2,5})(?=\D)/g;
// biome-ignore lint/suspicious/noControlCharactersInRegex: colour sequences start with one
const COLOURS = /\u001b\[[\d;]*m/g;
/** Longer than an address with its colour sequences. */
const TAIL_LENGTH = 120;

export class PortFinder {
  #tail = "";

  /** Return the ports in this output, together with the end of the earlier output. */
  find(text: string): readonly number[] {
    const whole = this.#tail + text;
    this.#tail = whole.slice(-TAIL_LENGTH);
    const found = [...whole.replace(COLOURS, "").matchAll(ADDRESS)].map((match) =>
      Number(match[1]),
    );
    return [...new Set(found)].filter((port) => port > 0 && port < 65_536);
  }
}
