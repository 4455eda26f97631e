/** A diff as one flat list of rows, so that a virtual list can show twenty thousand of them. */
import type { DiffLine, FileDiff, Hunk } from "../../api/schema.gen";
import { visibleLine } from "../../ui/visible-text";

export interface LineSide {
  readonly line: DiffLine;
  /** Line number in its file, from 1. */
  readonly number: number;
  /** Index among the hunk's lines on this side, from 0. */
  readonly index: number;
  /** Line on the other side that it replaces, or that replaces it. */
  readonly partner: DiffLine | null;
}

interface RowBase {
  readonly key: string;
  readonly file: number;
}
interface FileRow extends RowBase {
  readonly type: "file";
}
interface FileNoteRow extends RowBase {
  readonly type: "note";
  readonly text: string;
}
interface HunkRow extends RowBase {
  readonly type: "hunk";
  readonly hunk: number;
}
export interface LineRow extends RowBase {
  readonly type: "line";
  readonly hunk: number;
  readonly oldSide: LineSide | null;
  readonly newSide: LineSide | null;
}
export type DiffRow = FileRow | FileNoteRow | HunkRow | LineRow;

export type DiffLayout = "unified" | "split";

/** Fields of a file that was not renamed. */
export const NOT_RENAMED = { renamed_from: null, renamed_to: null, rename_hunks: [] };

/** Return a diff whose renames show what changes besides the name, and nothing twice. */
export function showRenames(files: readonly FileDiff[]): readonly FileDiff[] {
  return files.map((file) => {
    if (file.renamed_to !== null) return { ...file, hunks: [] };
    return file.renamed_from !== null ? { ...file, hunks: file.rename_hunks } : file;
  });
}

/**
 * Return all rows of a diff.
 *
 * @param folded Paths of which only the header is shown.
 */
export function buildDiffRows(
  files: readonly FileDiff[],
  layout: DiffLayout,
  folded: ReadonlySet<string>,
): readonly DiffRow[] {
  const rows: DiffRow[] = [];
  for (const [file, diff] of files.entries()) {
    rows.push({ type: "file", key: `f${file}`, file });
    if (folded.has(diff.path)) continue;
    const text = fileNote(diff);
    if (text) rows.push({ type: "note", key: `n${file}`, file, text });
    for (const [hunk, each] of diff.hunks.entries()) {
      rows.push({ type: "hunk", key: `h${file}.${hunk}`, file, hunk });
      for (const [index, [oldSide, newSide]] of layOutHunk(each, layout).entries()) {
        rows.push({
          type: "line",
          key: `l${file}.${hunk}.${index}`,
          file,
          hunk,
          oldSide,
          newSide,
        });
      }
    }
  }
  return rows;
}

function fileNote(file: FileDiff): string {
  if (file.binary) return "Binary file: no lines to show. The patch contains it.";
  if (file.renamed_to !== null) return `Renamed to ${visibleLine(file.renamed_to)}.`;
  if (file.old_mode !== null && file.new_mode !== null && file.old_mode !== file.new_mode) {
    return `The file mode changes from ${file.old_mode} to ${file.new_mode}.`;
  }
  if (file.hunks.length > 0) return "";
  return file.renamed_from !== null ? "Only the name changes." : "Empty file.";
}

type LinePair = readonly [LineSide | null, LineSide | null];

/**
 * Return the lines of one hunk in pairs: a block of removed lines belongs to the added lines after
 * it.
 */
function layOutHunk(hunk: Hunk, layout: DiffLayout): readonly LinePair[] {
  const pairs: LinePair[] = [];
  let removed: LineSide[] = [];
  let added: LineSide[] = [];
  const flush = () => {
    pairs.push(...pairLines(removed, added, layout));
    [removed, added] = [[], []];
  };
  let [oldIndex, newIndex] = [0, 0];
  for (const line of hunk.lines) {
    const left = (): LineSide => ({
      line,
      number: hunk.old_start + oldIndex,
      index: oldIndex++,
      partner: null,
    });
    const right = (): LineSide => ({
      line,
      number: hunk.new_start + newIndex,
      index: newIndex++,
      partner: null,
    });
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

function pairLines(
  removed: readonly LineSide[],
  added: readonly LineSide[],
  layout: DiffLayout,
): readonly LinePair[] {
  const partnered = (side: LineSide, other: LineSide | undefined): LineSide => ({
    ...side,
    partner: other?.line ?? null,
  });
  const olds = removed.map((side, index) => partnered(side, added[index]));
  const news = added.map((side, index) => partnered(side, removed[index]));
  if (layout === "unified")
    return [
      ...olds.map((side): LinePair => [side, null]),
      ...news.map((side): LinePair => [null, side]),
    ];
  const length = Math.max(olds.length, news.length);
  return Array.from({ length }, (_, index): LinePair => [olds[index] ?? null, news[index] ?? null]);
}

export interface DiffSize {
  readonly additions: number;
  readonly deletions: number;
}

export function diffSize(file: FileDiff): DiffSize {
  const lines = file.hunks.flatMap((hunk) => hunk.lines);
  return {
    additions: lines.filter((line) => line.kind === "added").length,
    deletions: lines.filter((line) => line.kind === "removed").length,
  };
}
