/** Tokens of the highlighter, split at the ends of changed ranges. */
import type { TextRanges } from "./changed-words";

export interface Token {
  readonly text: string;
  /** Scope in its language, such as `keyword`; null for plain text. */
  readonly scope: string | null;
}

interface MarkedToken extends Token {
  readonly changed: boolean;
}

/** Split tokens at the ends of ranges and mark the parts within them. */
export function markChanges(tokens: readonly Token[], ranges: TextRanges): readonly MarkedToken[] {
  const marked: MarkedToken[] = [];
  let offset = 0;
  for (const { text, scope } of tokens) {
    const end = offset + text.length;
    const cuts = ranges.flat().filter((cut) => cut > offset && cut < end);
    for (const [from, to] of consecutivePairs([offset, ...cuts, end])) {
      const changed = ranges.some(([start, stop]) => from >= start && to <= stop);
      marked.push({ text: text.slice(from - offset, to - offset), scope, changed });
    }
    offset = end;
  }
  return marked;
}

function consecutivePairs(places: readonly number[]): readonly (readonly [number, number])[] {
  return places.slice(1).map((end, index) => [places[index] ?? 0, end]);
}
