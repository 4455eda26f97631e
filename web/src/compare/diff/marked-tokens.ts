/** Text in pieces: what the highlighter says about it, and what changed in it, laid over each other. Pure. */
import type { TextRanges } from "./changed-words";

export interface Token {
  readonly text: string;
  /** What it is in its language, such as `keyword`; null for nothing special. */
  readonly scope: string | null;
}

export interface MarkedToken extends Token {
  readonly changed: boolean;
}

/** Cut tokens at the ends of ranges. */
export function markChanges(tokens: readonly Token[], ranges: TextRanges): readonly MarkedToken[] {
  const found: MarkedToken[] = [];
  let place = 0;
  for (const { text, scope } of tokens) {
    const end = place + text.length;
    const cuts = ranges.flat().filter((cut) => cut > place && cut < end);
    for (const [from, to] of consecutivePairs([place, ...cuts, end])) {
      const changed = ranges.some(([start, stop]) => from >= start && to <= stop);
      found.push({ text: text.slice(from - place, to - place), scope, changed });
    }
    place = end;
  }
  return found;
}

function consecutivePairs(places: readonly number[]): readonly (readonly [number, number])[] {
  return places.slice(1).map((end, index) => [places[index] ?? 0, end]);
}
