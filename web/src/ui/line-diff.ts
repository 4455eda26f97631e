/** Line-by-line difference of two short texts. */

export interface DiffLine {
  readonly kind: "same" | "added" | "removed";
  readonly text: string;
}

/**
 * Above this number of lines on either side the change is shown as one removed and one added block.
 */
const MAX_LINES = 400;

export function lineDiff(before: string | null, after: string): readonly DiffLine[] {
  const old = splitLines(before ?? "");
  const now = splitLines(after);
  let start = 0;
  while (start < old.length && start < now.length && old[start] === now[start]) start += 1;
  let end = 0;
  while (
    end < old.length - start &&
    end < now.length - start &&
    old.at(-1 - end) === now.at(-1 - end)
  )
    end += 1;
  const middle = diffMiddle(old.slice(start, old.length - end), now.slice(start, now.length - end));
  return [
    ...markLines("same", old.slice(0, start)),
    ...middle,
    ...markLines("same", now.slice(now.length - end)),
  ];
}

function splitLines(text: string): string[] {
  return text === "" ? [] : text.replace(/\n$/, "").split("\n");
}

function markLines(kind: DiffLine["kind"], lines: readonly string[]): DiffLine[] {
  return lines.map((text) => ({ kind, text }));
}

function diffMiddle(old: readonly string[], now: readonly string[]): DiffLine[] {
  if (old.length === 0 || now.length === 0 || old.length > MAX_LINES || now.length > MAX_LINES) {
    return [...markLines("removed", old), ...markLines("added", now)];
  }
  return walkTable(old, now, commonLengths(old, now));
}

/**
 * Return a lookup of the length of the longest common subsequence from each pair of positions to
 * the ends.
 */
export function commonLengths(
  old: readonly string[],
  now: readonly string[],
): (i: number, j: number) => number {
  const width = now.length + 1;
  const table = new Uint16Array((old.length + 1) * width);
  const at = (i: number, j: number) => table[i * width + j] ?? 0;
  for (let i = old.length - 1; i >= 0; i -= 1) {
    for (let j = now.length - 1; j >= 0; j -= 1) {
      table[i * width + j] =
        old[i] === now[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1));
    }
  }
  return at;
}

function walkTable(
  old: readonly string[],
  now: readonly string[],
  common: (i: number, j: number) => number,
): DiffLine[] {
  const found: DiffLine[] = [];
  let [i, j] = [0, 0];
  while (i < old.length && j < now.length) {
    if (old[i] === now[j]) {
      found.push({ kind: "same", text: old[i] ?? "" });
      [i, j] = [i + 1, j + 1];
    } else if (common(i + 1, j) >= common(i, j + 1)) {
      found.push({ kind: "removed", text: old[i++] ?? "" });
    } else {
      found.push({ kind: "added", text: now[j++] ?? "" });
    }
  }
  return [...found, ...markLines("removed", old.slice(i)), ...markLines("added", now.slice(j))];
}
