/**
 * Shortest edit script between two lists of lines, as hunks. Algorithm: E. W. Myers, "An O(ND)
 * Difference Algorithm and Its Variations", 1986.
 */
import type { DiffLine, Hunk } from "../../api/schema.gen";

/** Context lines on each side of a change, as in git. */
const CONTEXT = 3;
/** With more edits than this, the difference is one removed and one added block. */
const MAX_EDITS = 1_500;

/** The parts of a line that are compared. */
type LineText = Pick<DiffLine, "text" | "newline">;

function isSameLine(a: LineText | undefined, b: LineText | undefined): boolean {
  return a !== undefined && b !== undefined && a.text === b.text && a.newline === b.newline;
}

/** Return the lines of both lists, marked as context, removed or added. */
export function editScript(
  oldLines: readonly LineText[],
  newLines: readonly LineText[],
): readonly DiffLine[] {
  let start = 0;
  while (isSameLine(oldLines[start], newLines[start])) start += 1;
  let end = 0;
  while (
    end < Math.min(oldLines.length, newLines.length) - start &&
    isSameLine(oldLines.at(-1 - end), newLines.at(-1 - end))
  )
    end += 1;
  const from = oldLines.slice(start, oldLines.length - end);
  const to = newLines.slice(start, newLines.length - end);
  return [
    ...markLines("context", oldLines.slice(0, start)),
    ...(shortestEdits(from, to) ?? [...markLines("removed", from), ...markLines("added", to)]),
    ...markLines("context", oldLines.slice(oldLines.length - end)),
  ];
}

function markLines(kind: DiffLine["kind"], lines: readonly LineText[]): DiffLine[] {
  return lines.map(({ text, newline }) => ({ kind, text, newline }));
}

/** Return the shortest script; null when it needs more than `MAX_EDITS` edits. */
function shortestEdits(
  oldLines: readonly LineText[],
  newLines: readonly LineText[],
): DiffLine[] | null {
  const maxEdits = Math.min(oldLines.length + newLines.length, MAX_EDITS);
  // Furthest x on each diagonal, after 0, 1, 2 … edits.
  const trace: Int32Array[] = [];
  let reach = new Int32Array(2 * maxEdits + 3);
  for (let edits = 0; edits <= maxEdits; edits += 1) {
    trace.push(reach.slice());
    for (let diagonal = -edits; diagonal <= edits; diagonal += 2) {
      let x = nextX(reach, diagonal, edits, maxEdits);
      while (isSameLine(oldLines[x], newLines[x - diagonal])) x += 1;
      reach[diagonal + maxEdits + 1] = x;
      if (x >= oldLines.length && x - diagonal >= newLines.length)
        return backtrack(oldLines, newLines, trace, maxEdits);
    }
    reach = reach.slice();
  }
  return null;
}

/** Whether the path to a diagonal comes from the one above, by an added line. */
function isDown(reach: Int32Array, diagonal: number, edits: number, maxEdits: number): boolean {
  const at = (d: number) => reach[d + maxEdits + 1] ?? 0;
  return diagonal === -edits || (diagonal !== edits && at(diagonal - 1) < at(diagonal + 1));
}

function nextX(reach: Int32Array, diagonal: number, edits: number, maxEdits: number): number {
  const at = (d: number) => reach[d + maxEdits + 1] ?? 0;
  return isDown(reach, diagonal, edits, maxEdits) ? at(diagonal + 1) : at(diagonal - 1) + 1;
}

function backtrack(
  oldLines: readonly LineText[],
  newLines: readonly LineText[],
  trace: readonly Int32Array[],
  maxEdits: number,
): DiffLine[] {
  const lines: DiffLine[] = [];
  let [x, y] = [oldLines.length, newLines.length];
  const take = (kind: DiffLine["kind"], line: LineText | undefined) => {
    if (line) lines.push({ kind, text: line.text, newline: line.newline });
  };
  const slide = (toX: number, toY: number) => {
    for (; x > toX && y > toY; [x, y] = [x - 1, y - 1]) take("context", oldLines[x - 1]);
  };
  for (let edits = trace.length - 1; edits > 0; edits -= 1) {
    const reach = trace[edits] ?? new Int32Array();
    const reached = (diagonal: number) => reach[diagonal + maxEdits + 1] ?? 0;
    if (isDown(reach, x - y, edits, maxEdits)) {
      const diagonal = x - y + 1;
      slide(reached(diagonal), reached(diagonal) - diagonal + 1);
      take("added", newLines[--y]);
    } else {
      const diagonal = x - y - 1;
      slide(reached(diagonal) + 1, reached(diagonal) - diagonal);
      take("removed", oldLines[--x]);
    }
  }
  slide(0, 0);
  return lines.reverse();
}

/**
 * Return the hunks of a script, each with its context.
 *
 * @param oldStart Number of the script's first line on the old side, from 1.
 * @param newStart The same on the new side.
 */
export function toHunks(
  lines: readonly DiffLine[],
  oldStart: number,
  newStart: number,
): readonly Hunk[] {
  const hunks: Hunk[] = [];
  for (const [from, to] of hunkRanges(lines)) {
    const before = lines.slice(0, from);
    const inside = lines.slice(from, to);
    const [oldLines, newLines] = [countExcept(inside, "added"), countExcept(inside, "removed")];
    hunks.push({
      old_start: oldStart + countExcept(before, "added") - (oldLines === 0 ? 1 : 0),
      old_lines: oldLines,
      new_start: newStart + countExcept(before, "removed") - (newLines === 0 ? 1 : 0),
      new_lines: newLines,
      heading: "",
      lines: inside,
    });
  }
  return hunks;
}

/** Count the lines that are not of a kind. */
function countExcept(lines: readonly DiffLine[], not: DiffLine["kind"]): number {
  return lines.reduce((sum, line) => sum + (line.kind === not ? 0 : 1), 0);
}

function hunkRanges(lines: readonly DiffLine[]): readonly [number, number][] {
  const ranges: [number, number][] = [];
  for (const [index, line] of lines.entries()) {
    if (line.kind === "context") continue;
    const [from, to] = [Math.max(0, index - CONTEXT), Math.min(lines.length, index + 1 + CONTEXT)];
    const last = ranges.at(-1);
    if (last && from <= last[1]) last[1] = to;
    else ranges.push([from, to]);
  }
  return ranges;
}
