/**
 * Shortest edit script between two lists of lines, as hunks. Algorithm: E. W. Myers, "An O(ND)
 * Difference Algorithm and Its Variations", 1986.
 */
import type { Hunk, Line } from "../../api/schema.gen";

/** Context lines on each side of a change, as in git. */
const CONTEXT = 3;
/** With more edits than this, the difference is one removed and one added block. */
const MAX_EDITS = 1_500;

/** The parts of a line that are compared. */
type LineText = Pick<Line, "text" | "newline">;

function isSameLine(a: LineText | undefined, b: LineText | undefined): boolean {
  return a !== undefined && b !== undefined && a.text === b.text && a.newline === b.newline;
}

/** Return the lines of both lists, marked as context, removed or added. */
export function editScript(old: readonly LineText[], now: readonly LineText[]): readonly Line[] {
  let start = 0;
  while (isSameLine(old[start], now[start])) start += 1;
  let end = 0;
  while (
    end < Math.min(old.length, now.length) - start &&
    isSameLine(old.at(-1 - end), now.at(-1 - end))
  )
    end += 1;
  const from = old.slice(start, old.length - end);
  const to = now.slice(start, now.length - end);
  return [
    ...markLines("context", old.slice(0, start)),
    ...(shortestEdits(from, to) ?? [...markLines("removed", from), ...markLines("added", to)]),
    ...markLines("context", old.slice(old.length - end)),
  ];
}

function markLines(kind: Line["kind"], lines: readonly LineText[]): Line[] {
  return lines.map(({ text, newline }) => ({ kind, text, newline }));
}

/** Return the shortest script; null when it needs more than `MAX_EDITS` edits. */
function shortestEdits(old: readonly LineText[], now: readonly LineText[]): Line[] | null {
  const most = Math.min(old.length + now.length, MAX_EDITS);
  // Furthest x on each diagonal, after 0, 1, 2 … edits.
  const trace: Int32Array[] = [];
  let reach = new Int32Array(2 * most + 3);
  for (let edits = 0; edits <= most; edits += 1) {
    trace.push(reach.slice());
    for (let diagonal = -edits; diagonal <= edits; diagonal += 2) {
      let x = nextX(reach, diagonal, edits, most);
      while (isSameLine(old[x], now[x - diagonal])) x += 1;
      reach[diagonal + most + 1] = x;
      if (x >= old.length && x - diagonal >= now.length) return backtrack(old, now, trace, most);
    }
    reach = reach.slice();
  }
  return null;
}

/** Whether the path to a diagonal comes from the one above, by an added line. */
function isDown(reach: Int32Array, diagonal: number, edits: number, most: number): boolean {
  const at = (d: number) => reach[d + most + 1] ?? 0;
  return diagonal === -edits || (diagonal !== edits && at(diagonal - 1) < at(diagonal + 1));
}

function nextX(reach: Int32Array, diagonal: number, edits: number, most: number): number {
  const at = (d: number) => reach[d + most + 1] ?? 0;
  return isDown(reach, diagonal, edits, most) ? at(diagonal + 1) : at(diagonal - 1) + 1;
}

function backtrack(
  old: readonly LineText[],
  now: readonly LineText[],
  trace: readonly Int32Array[],
  most: number,
): Line[] {
  const found: Line[] = [];
  let [x, y] = [old.length, now.length];
  const take = (kind: Line["kind"], line: LineText | undefined) => {
    if (line) found.push({ kind, text: line.text, newline: line.newline });
  };
  const slide = (toX: number, toY: number) => {
    for (; x > toX && y > toY; [x, y] = [x - 1, y - 1]) take("context", old[x - 1]);
  };
  for (let edits = trace.length - 1; edits > 0; edits -= 1) {
    const reach = trace[edits] ?? new Int32Array();
    const reached = (diagonal: number) => reach[diagonal + most + 1] ?? 0;
    if (isDown(reach, x - y, edits, most)) {
      const diagonal = x - y + 1;
      slide(reached(diagonal), reached(diagonal) - diagonal + 1);
      take("added", now[--y]);
    } else {
      const diagonal = x - y - 1;
      slide(reached(diagonal) + 1, reached(diagonal) - diagonal);
      take("removed", old[--x]);
    }
  }
  slide(0, 0);
  return found.reverse();
}

/**
 * Return the hunks of a script, each with its context.
 *
 * @param oldStart Number of the script's first line on the old side, from 1.
 * @param newStart The same on the new side.
 */
export function toHunks(
  lines: readonly Line[],
  oldStart: number,
  newStart: number,
): readonly Hunk[] {
  const found: Hunk[] = [];
  for (const [from, to] of changedRanges(lines)) {
    const before = lines.slice(0, from);
    const inside = lines.slice(from, to);
    const [oldLines, newLines] = [countExcept(inside, "added"), countExcept(inside, "removed")];
    found.push({
      old_start: oldStart + countExcept(before, "added") - (oldLines === 0 ? 1 : 0),
      old_lines: oldLines,
      new_start: newStart + countExcept(before, "removed") - (newLines === 0 ? 1 : 0),
      new_lines: newLines,
      heading: "",
      lines: inside,
    });
  }
  return found;
}

/** Count the lines that are not of a kind. */
function countExcept(lines: readonly Line[], not: Line["kind"]): number {
  return lines.reduce((sum, line) => sum + (line.kind === not ? 0 : 1), 0);
}

function changedRanges(lines: readonly Line[]): readonly [number, number][] {
  const found: [number, number][] = [];
  for (const [index, line] of lines.entries()) {
    if (line.kind === "context") continue;
    const [from, to] = [Math.max(0, index - CONTEXT), Math.min(lines.length, index + 1 + CONTEXT)];
    const last = found.at(-1);
    if (last && from <= last[1]) last[1] = to;
    else found.push([from, to]);
  }
  return found;
}
