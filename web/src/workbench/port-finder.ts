/** At which ports something is served, as development servers say it. An address at the very end may go on, so it waits. */
const ADDRESS = /https?:\/\/(?:localhost|127\.0\.0\.1|0\.0\.0\.0|\[::1?\]):(\d{2,5})(?=\D)/g;
// biome-ignore lint/suspicious/noControlCharactersInRegex: colours begin with one, in the middle of an address too
const COLOURS = /\u001b\[[\d;]*m/g;
/** Longer than an address with its colours. */
const TAIL_LENGTH = 120;

export class PortFinder {
  #tail = "";

  /** The ports in what was printed now, together with the end of what was before. */
  find(text: string): readonly number[] {
    const whole = this.#tail + text;
    this.#tail = whole.slice(-TAIL_LENGTH);
    const found = [...whole.replace(COLOURS, "").matchAll(ADDRESS)].map((match) =>
      Number(match[1]),
    );
    return [...new Set(found)].filter((port) => port > 0 && port < 65_536);
  }
}
