/** Rows of a diff. */
import type { DiffLine, Hunk } from "../../api/schema.gen";

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
  /** Whether only the header is shown, because all variations make this change. */
  readonly isFolded: boolean;
}
export interface GapRow extends RowBase {
  readonly type: "gap";
  /** Number of lines that are not shown; null where the file's length is not known. */
  readonly lines: number | null;
}
interface CommentRow extends RowBase {
  readonly type: "comment";
  readonly comment: string;
}
export interface LineRow extends RowBase {
  readonly type: "line";
  /** Index of the hunk, or the lines of a gap between hunks. */
  readonly hunk: number | Hunk;
  readonly oldSide: LineSide | null;
  readonly newSide: LineSide | null;
}
export type DiffRow = FileRow | FileNoteRow | HunkRow | GapRow | CommentRow | LineRow;

export type DiffLayout = "unified" | "split";

export interface RowOptions {
  /** Paths of which only the header is shown. */
  readonly folded: ReadonlySet<string>;
  /** Keys of opened rows: folded hunks, and gaps between hunks. */
  readonly opened: ReadonlySet<string>;
  /** Whether a hunk is folded until it is opened. */
  readonly isCommon: (path: string, hunk: Hunk) => boolean;
  /** Lines of a file on the old side; undefined where they are not loaded. */
  readonly oldLines: (path: string) => readonly string[] | undefined;
  /** Whether gaps between hunks can be opened. */
  readonly hasGaps: boolean;
}
