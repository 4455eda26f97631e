/** A diff as one flat list of rows, so that a virtual list can show twenty thousand of them. */
import type { FileDiff, Hunk } from "../../api/schema.gen";
import { visibleLine } from "../../ui/visible-text";
import { GapRows } from "./gap-rows";
import type { DiffLayout, DiffRow, LineSide, RowOptions } from "./row-types";

/** Fields of a file that was not renamed. */
export const NOT_RENAMED = { renamed_from: null, renamed_to: null, rename_hunks: [] };

/** Return a diff whose renames show what changes besides the name, and nothing twice. */
export function showRenames(files: readonly FileDiff[]): readonly FileDiff[] {
  return files.map((file) => {
    if (file.renamed_to !== null) return { ...file, hunks: [] };
    return file.renamed_from !== null ? { ...file, hunks: file.rename_hunks } : file;
  });
}

const PLAIN: RowOptions = {
  folded: new Set(),
  opened: new Set(),
  isCommon: () => false,
  oldLines: () => undefined,
  hasGaps: false,
};

/** Return all rows of a diff. */
export function buildDiffRows(
  files: readonly FileDiff[],
  layout: DiffLayout,
  options: Partial<RowOptions> = {},
): readonly DiffRow[] {
  const all = { ...PLAIN, ...options };
  return files.flatMap((diff, file) => fileRows(diff, file, layout, all));
}

function fileRows(
  diff: FileDiff,
  file: number,
  layout: DiffLayout,
  options: RowOptions,
): readonly DiffRow[] {
  const rows: DiffRow[] = [{ type: "file", key: `f${file}`, file }];
  if (options.folded.has(diff.path)) return rows;
  const text = fileNote(diff);
  if (text) rows.push({ type: "note", key: `n${file}`, file, text });
  const gaps = new GapRows(diff, file, options);
  for (const [hunk, each] of diff.hunks.entries()) {
    rows.push(...gaps.before(hunk, each));
    const key = `h${file}.${hunk}`;
    const isFolded = options.isCommon(diff.path, each) && !options.opened.has(key);
    rows.push({ type: "hunk", key, file, hunk, isFolded });
    if (isFolded) continue;
    for (const [index, [oldSide, newSide]] of layOutHunk(each, layout).entries())
      rows.push({ type: "line", key: `l${file}.${hunk}.${index}`, file, hunk, oldSide, newSide });
  }
  rows.push(...gaps.atEnd());
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
