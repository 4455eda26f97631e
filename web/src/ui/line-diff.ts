/** Line-by-line difference of two short texts. */

export interface TextDiffLine {
  readonly kind: "same" | "added" | "removed";
  readonly text: string;
}

/**
 * Above this number of lines on either side the change is shown as one removed and one added block.
 */
const MAX_LINES = 400;

export function lineDiff(before: string | null, after: string): readonly TextDiffLine[] {
  const oldLines = splitLines(before ?? "");
  const newLines = splitLines(after);
  let start = 0;
  while (start < oldLines.length && start < newLines.length && oldLines[start] === newLines[start])
    start += 1;
  let end = 0;
  while (
    end < oldLines.length - start &&
    end < newLines.length - start &&
    oldLines.at(-1 - end) === newLines.at(-1 - end)
  )
    end += 1;
  const middle = diffMiddle(
    oldLines.slice(start, oldLines.length - end),
    newLines.slice(start, newLines.length - end),
  );
  return [
    ...toDiffLines("same", oldLines.slice(0, start)),
    ...middle,
    ...toDiffLines("same", newLines.slice(newLines.length - end)),
  ];
}

function splitLines(text: string): string[] {
  return text === "" ? [] : text.replace(/\n$/, "").split("\n");
}

function toDiffLines(kind: TextDiffLine["kind"], lines: readonly string[]): TextDiffLine[] {
  return lines.map((text) => ({ kind, text }));
}

function diffMiddle(oldLines: readonly string[], newLines: readonly string[]): TextDiffLine[] {
  if (
    oldLines.length === 0 ||
    newLines.length === 0 ||
    oldLines.length > MAX_LINES ||
    newLines.length > MAX_LINES
  ) {
    return [...toDiffLines("removed", oldLines), ...toDiffLines("added", newLines)];
  }
  return walkTable(oldLines, newLines, commonLengths(oldLines, newLines));
}

/**
 * Return a lookup of the length of the longest common subsequence from each pair of positions to
 * the ends.
 */
export function commonLengths(
  oldLines: readonly string[],
  newLines: readonly string[],
): (i: number, j: number) => number {
  const width = newLines.length + 1;
  const table = new Uint16Array((oldLines.length + 1) * width);
  const at = (i: number, j: number) => table[i * width + j] ?? 0;
  for (let i = oldLines.length - 1; i >= 0; i -= 1) {
    for (let j = newLines.length - 1; j >= 0; j -= 1) {
      table[i * width + j] =
        oldLines[i] === newLines[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1));
    }
  }
  return at;
}

function walkTable(
  oldLines: readonly string[],
  newLines: readonly string[],
  common: (i: number, j: number) => number,
): TextDiffLine[] {
  const lines: TextDiffLine[] = [];
  let [i, j] = [0, 0];
  while (i < oldLines.length && j < newLines.length) {
    if (oldLines[i] === newLines[j]) {
      lines.push({ kind: "same", text: oldLines[i] ?? "" });
      [i, j] = [i + 1, j + 1];
    } else if (common(i + 1, j) >= common(i, j + 1)) {
      lines.push({ kind: "removed", text: oldLines[i++] ?? "" });
    } else {
      lines.push({ kind: "added", text: newLines[j++] ?? "" });
    }
  }
  return [
    ...lines,
    ...toDiffLines("removed", oldLines.slice(i)),
    ...toDiffLines("added", newLines.slice(j)),
  ];
}
