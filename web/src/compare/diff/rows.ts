/** A diff as one flat list of rows, which is what a virtual list can show twenty thousand of. Pure. */
import type { DiffLine, FileDiff, Hunk } from "../../api/schema.gen";

export interface Side {
  readonly line: DiffLine;
  /** The line's number in its file, from 1. */
  readonly number: number;
  /** Its place among the lines that its hunk has on this side, from 0. */
  readonly place: number;
  /** The line on the other side that it replaces or is replaced by. */
  readonly partner: DiffLine | null;
}

interface Base {
  readonly key: string;
  readonly file: number;
}
export interface FileRow extends Base {
  readonly type: "file";
}
export interface NoteRow extends Base {
  readonly type: "note";
  readonly text: string;
}
export interface HunkRow extends Base {
  readonly type: "hunk";
  readonly hunk: number;
}
export interface LineRow extends Base {
  readonly type: "line";
  readonly hunk: number;
  readonly old: Side | null;
  readonly now: Side | null;
}
export type DiffRow = FileRow | NoteRow | HunkRow | LineRow;

export type Look = "unified" | "split";

/**
 * Every row of a diff.
 *
 * @param folded Paths of which only the head is shown.
 */
export function rowsOf(
  files: readonly FileDiff[],
  look: Look,
  folded: ReadonlySet<string>,
): readonly DiffRow[] {
  const rows: DiffRow[] = [];
  for (const [file, diff] of files.entries()) {
    rows.push({ type: "file", key: `f${file}`, file });
    if (folded.has(diff.path)) continue;
    const text = note(diff);
    if (text) rows.push({ type: "note", key: `n${file}`, file, text });
    for (const [hunk, each] of diff.hunks.entries()) {
      rows.push({ type: "hunk", key: `h${file}.${hunk}`, file, hunk });
      for (const [index, [old, now]] of lay(each, look).entries()) {
        rows.push({ type: "line", key: `l${file}.${hunk}.${index}`, file, hunk, old, now });
      }
    }
  }
  return rows;
}

function note(file: FileDiff): string {
  if (file.binary) return "Binary: there are no lines to show. The patch holds it.";
  if (file.old_mode !== null && file.new_mode !== null && file.old_mode !== file.new_mode) {
    return `Its mode changes from ${file.old_mode} to ${file.new_mode}.`;
  }
  return file.hunks.length === 0 ? "It is empty." : "";
}

type Pair = readonly [Side | null, Side | null];

/** The rows of one hunk: a block of removed lines and the added ones after it belong together. */
function lay(hunk: Hunk, look: Look): readonly Pair[] {
  const pairs: Pair[] = [];
  let removed: Side[] = [];
  let added: Side[] = [];
  const flush = () => {
    pairs.push(...block(removed, added, look));
    [removed, added] = [[], []];
  };
  let [old, now] = [0, 0];
  for (const line of hunk.lines) {
    const left = (): Side => ({ line, number: hunk.old_start + old, place: old++, partner: null });
    const right = (): Side => ({ line, number: hunk.new_start + now, place: now++, partner: null });
    if (line.kind === "removed") {
      if (added.length > 0) flush();
      removed.push(left());
    } else if (line.kind === "added") added.push(right());
    else {
      flush();
      pairs.push([left(), right()]);
    }
  }
  flush();
  return pairs;
}

function block(removed: readonly Side[], added: readonly Side[], look: Look): readonly Pair[] {
  const partnered = (side: Side, other: Side | undefined): Side => ({
    ...side,
    partner: other?.line ?? null,
  });
  const olds = removed.map((side, index) => partnered(side, added[index]));
  const news = added.map((side, index) => partnered(side, removed[index]));
  if (look === "unified")
    return [...olds.map((side): Pair => [side, null]), ...news.map((side): Pair => [null, side])];
  const length = Math.max(olds.length, news.length);
  return Array.from({ length }, (_, index): Pair => [olds[index] ?? null, news[index] ?? null]);
}

export interface Size {
  readonly additions: number;
  readonly deletions: number;
}

export function sizeOf(file: FileDiff): Size {
  const lines = file.hunks.flatMap((hunk) => hunk.lines);
  return {
    additions: lines.filter((line) => line.kind === "added").length,
    deletions: lines.filter((line) => line.kind === "removed").length,
  };
}
