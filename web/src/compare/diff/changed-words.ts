/** Changed words within a changed line. */
import { commonLengths } from "../../ui/line-diff";

/** Ranges of a text: start, and end (exclusive). */
export type TextRanges = readonly (readonly [number, number])[];

export interface ChangedWords {
  readonly oldRanges: TextRanges;
  readonly newRanges: TextRanges;
}

const WORD = /[\p{L}\p{N}_]+|\s+|[^\p{L}\p{N}_\s]/gu;
/** Lines with more words than this are marked as a whole. */
const MAX_WORDS = 200;
/**
 * Lines with a smaller common share of characters are treated as two lines, not as one changed
 * line.
 */
const MIN_COMMON = 0.35;

/**
 * Return the changed ranges of both lines; null when the lines are too different or too long for a
 * comparison by word.
 */
export function changedWords(oldText: string, newText: string): ChangedWords | null {
  const [a, b] = [oldText.match(WORD) ?? [], newText.match(WORD) ?? []];
  if (a.length === 0 || b.length === 0 || a.length > MAX_WORDS || b.length > MAX_WORDS) return null;
  const [keptA, keptB] = commonWords(a, b);
  const kept = a.reduce((sum, word, index) => sum + (keptA.has(index) ? word.trim().length : 0), 0);
  const all = Math.max(oldText.replace(/\s/g, "").length, newText.replace(/\s/g, "").length, 1);
  if (kept / all < MIN_COMMON) return null;
  return { oldRanges: changedRanges(a, keptA), newRanges: changedRanges(b, keptB) };
}

/** Return the indexes of the longest common subsequence in both lists. */
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

/** Return the ranges of words that were not kept; neighbours are merged. */
function changedRanges(words: readonly string[], kept: ReadonlySet<number>): TextRanges {
  const ranges: [number, number][] = [];
  let offset = 0;
  for (const [index, word] of words.entries()) {
    const end = offset + word.length;
    const last = ranges.at(-1);
    if (!kept.has(index)) {
      if (last && last[1] === offset) last[1] = end;
      else ranges.push([offset, end]);
    }
    offset = end;
  }
  return ranges;
}
