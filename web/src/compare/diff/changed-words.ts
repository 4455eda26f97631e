/** Which words of a changed line changed. Pure. */
import { commonLengths } from "../../ui/line-diff";

/** Places in a text: from, to. */
export type TextRanges = readonly (readonly [number, number])[];

export interface ChangedWords {
  readonly old: TextRanges;
  readonly now: TextRanges;
}

const WORD = /[\p{L}\p{N}_]+|\s+|[^\p{L}\p{N}_\s]/gu;
/** Longer lines are marked as a whole. */
const MAX_WORDS = 200;
/** Lines that have less than this in common are two lines, not one that changed. */
const MIN_COMMON = 0.35;

/** What differs between two lines; null when they are too different, or too long, to be told word by word. */
export function changedWords(old: string, now: string): ChangedWords | null {
  const [a, b] = [old.match(WORD) ?? [], now.match(WORD) ?? []];
  if (a.length === 0 || b.length === 0 || a.length > MAX_WORDS || b.length > MAX_WORDS) return null;
  const [keptA, keptB] = commonWords(a, b);
  const kept = a.reduce((sum, word, index) => sum + (keptA.has(index) ? word.trim().length : 0), 0);
  const all = Math.max(old.replace(/\s/g, "").length, now.replace(/\s/g, "").length, 1);
  if (kept / all < MIN_COMMON) return null;
  return { old: changedRanges(a, keptA), now: changedRanges(b, keptB) };
}

/** The places of the longest common subsequence, in both. */
function commonWords(a: readonly string[], b: readonly string[]): [Set<number>, Set<number>] {
  const at = commonLengths(a, b);
  const [keptA, keptB] = [new Set<number>(), new Set<number>()];
  let [i, j] = [0, 0];
  while (i < a.length && j < b.length) {
    if (a[i] === b[j]) {
      keptA.add(i++);
      keptB.add(j++);
    } else if (at(i + 1, j) >= at(i, j + 1)) i += 1;
    else j += 1;
  }
  return [keptA, keptB];
}

/** What was not kept; neighbours are one range. */
function changedRanges(words: readonly string[], kept: ReadonlySet<number>): TextRanges {
  const found: [number, number][] = [];
  let place = 0;
  for (const [index, word] of words.entries()) {
    const end = place + word.length;
    const last = found.at(-1);
    if (!kept.has(index)) {
      if (last && last[1] === place) last[1] = end;
      else found.push([place, end]);
    }
    place = end;
  }
  return found;
}
