/** The shortest way from one list of lines to another (Myers, 1986), as hunks. Pure. */
import type { DiffLine, Hunk } from "../../api/schema.gen";

/** Lines of surroundings on each side of a change, as git shows them. */
const CONTEXT = 3;
/** With more edits than this, what differs is one block out and one block in. */
const MOST_EDITS = 1_500;

/** A line as far as sameness goes. */
type Text = Pick<DiffLine, "text" | "newline">;

function same(a: Text | undefined, b: Text | undefined): boolean {
  return a !== undefined && b !== undefined && a.text === b.text && a.newline === b.newline;
}

/** Every line of both, marked as context, removed or added. */
export function script(old: readonly Text[], now: readonly Text[]): readonly DiffLine[] {
  let start = 0;
  while (same(old[start], now[start])) start += 1;
  let end = 0;
  while (end < Math.min(old.length, now.length) - start && same(old.at(-1 - end), now.at(-1 - end))) end += 1;
  const from = old.slice(start, old.length - end);
  const to = now.slice(start, now.length - end);
  return [
    ...marked("context", old.slice(0, start)),
    ...(middle(from, to) ?? [...marked("removed", from), ...marked("added", to)]),
    ...marked("context", old.slice(old.length - end)),
  ];
}

function marked(kind: DiffLine["kind"], lines: readonly Text[]): DiffLine[] {
  return lines.map(({ text, newline }) => ({ kind, text, newline }));
}

/** Null when it would take too many edits to find out. */
function middle(old: readonly Text[], now: readonly Text[]): DiffLine[] | null {
  const most = Math.min(old.length + now.length, MOST_EDITS);
  // How far each diagonal reaches, after 0, 1, 2 … edits.
  const trace: Int32Array[] = [];
  let reach = new Int32Array(2 * most + 3);
  for (let edits = 0; edits <= most; edits += 1) {
    trace.push(reach.slice());
    for (let diagonal = -edits; diagonal <= edits; diagonal += 2) {
      let x = step(reach, diagonal, edits, most);
      while (same(old[x], now[x - diagonal])) x += 1;
      reach[diagonal + most + 1] = x;
      if (x >= old.length && x - diagonal >= now.length) return walkBack(old, now, trace, most);
    }
    reach = reach.slice();
  }
  return null;
}

/** Whether the way to a diagonal comes from the one above, by a line that is added. */
function isDown(reach: Int32Array, diagonal: number, edits: number, most: number): boolean {
  const at = (d: number) => reach[d + most + 1] ?? 0;
  return diagonal === -edits || (diagonal !== edits && at(diagonal - 1) < at(diagonal + 1));
}

function step(reach: Int32Array, diagonal: number, edits: number, most: number): number {
  const at = (d: number) => reach[d + most + 1] ?? 0;
  return isDown(reach, diagonal, edits, most) ? at(diagonal + 1) : at(diagonal - 1) + 1;
}

function walkBack(
  old: readonly Text[],
  now: readonly Text[],
  trace: readonly Int32Array[],
  most: number,
): DiffLine[] {
  const found: DiffLine[] = [];
  let [x, y] = [old.length, now.length];
  const take = (kind: DiffLine["kind"], line: Text | undefined) => {
    if (line) found.push({ kind, text: line.text, newline: line.newline });
  };
  const slide = (toX: number, toY: number) => {
    for (; x > toX && y > toY; [x, y] = [x - 1, y - 1]) take("context", old[x - 1]);
  };
  for (let edits = trace.length - 1; edits > 0; edits -= 1) {
    const reach = trace[edits] ?? new Int32Array();
    const down = isDown(reach, x - y, edits, most);
    const diagonal = down ? x - y + 1 : x - y - 1;
    const fromX = reach[diagonal + most + 1] ?? 0;
    slide(down ? fromX : fromX + 1, down ? fromX - diagonal + 1 : fromX - diagonal);
    if (down) take("added", now[--y]);
    else take("removed", old[--x]);
  }
  slide(0, 0);
  return found.reverse();
}

/**
 * The changed stretches of a script, each with its surroundings.
 *
 * @param oldStart The number of its first line on the old side, from 1.
 * @param newStart The same on the new side.
 */
export function hunks(lines: readonly DiffLine[], oldStart: number, newStart: number): readonly Hunk[] {
  const found: Hunk[] = [];
  for (const [from, to] of stretches(lines)) {
    const before = lines.slice(0, from);
    const inside = lines.slice(from, to);
    const [oldLines, newLines] = [count(inside, "added"), count(inside, "removed")];
    found.push({
      old_start: oldStart + count(before, "added") - (oldLines === 0 ? 1 : 0),
      old_lines: oldLines,
      new_start: newStart + count(before, "removed") - (newLines === 0 ? 1 : 0),
      new_lines: newLines,
      heading: "",
      lines: inside,
    });
  }
  return found;
}

/** How many lines are not of a kind. */
function count(lines: readonly DiffLine[], not: DiffLine["kind"]): number {
  return lines.reduce((sum, line) => sum + (line.kind === not ? 0 : 1), 0);
}

function stretches(lines: readonly DiffLine[]): readonly [number, number][] {
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
