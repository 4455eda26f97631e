/** The unchanged lines between the hunks of a diff: how many there are, or the lines themselves. */
import type { DiffLine, FileDiff, Hunk } from "../../api/schema.gen";
import type { GapRow, LineRow, RowOptions } from "./row-types";

/** Key of all gaps of a file, which the whole file opens. */
export function wholeFileKey(path: string): string {
  return `whole ${path}`;
}

/** Rows of the unchanged lines between the hunks of one file. */
export class GapRows {
  /** End of the hunk before, from 0, on the old side, and how far the new side is ahead. */
  private end = 0;
  private ahead = 0;
  private readonly diff: FileDiff;
  private readonly file: number;
  private readonly options: RowOptions;
  private readonly lines: readonly string[] | undefined;
  private readonly hasGaps: boolean;

  constructor(diff: FileDiff, file: number, options: RowOptions) {
    this.diff = diff;
    this.file = file;
    this.options = options;
    this.lines = options.oldLines(diff.path);
    this.hasGaps = options.hasGaps && diff.status === "modified" && diff.renamed_from === null;
  }

  /** Return the rows above a hunk. */
  before(index: number, hunk: Hunk): readonly (GapRow | LineRow)[] {
    const start = hunkStart(hunk);
    const rows = this.rows(`g${this.file}.${index}`, start);
    this.end = start + hunk.old_lines;
    this.ahead += hunk.new_lines - hunk.old_lines;
    return rows;
  }

  /** Return the rows below the last hunk. */
  atEnd(): readonly (GapRow | LineRow)[] {
    if (this.diff.hunks.length === 0) return [];
    return this.rows(`g${this.file}.end`, this.lines?.length ?? null);
  }

  private rows(key: string, until: number | null): readonly (GapRow | LineRow)[] {
    const count = until === null ? null : until - this.end;
    if (!this.hasGaps || (count !== null && count <= 0)) return [];
    const { opened } = this.options;
    const isOpen = opened.has(key) || opened.has(wholeFileKey(this.diff.path));
    if (!isOpen || !this.lines) return [{ type: "gap", key, file: this.file, lines: count }];
    return this.lineRows(key, this.lines.slice(this.end, until ?? undefined));
  }

  private lineRows(key: string, texts: readonly string[]): readonly LineRow[] {
    const lines = texts.map((text): DiffLine => ({ kind: "context", text, newline: true }));
    const [old_start, new_start] = [this.end + 1, this.end + this.ahead + 1];
    const size = { old_lines: lines.length, new_lines: lines.length };
    const hunk: Hunk = { old_start, new_start, ...size, heading: "", lines };
    return lines.map((line, index) => ({
      type: "line",
      key: `${key}.${index}`,
      file: this.file,
      hunk,
      oldSide: { line, index, partner: null, number: old_start + index },
      newSide: { line, index, partner: null, number: new_start + index },
    }));
  }
}

/**
 * Return the first line of a hunk on the old side, from 0. A hunk that only adds names the line
 * before.
 */
export function hunkStart(hunk: Hunk): number {
  return hunk.old_lines === 0 ? hunk.old_start : hunk.old_start - 1;
}
