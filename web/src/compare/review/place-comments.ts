/** Where comments stand in a diff: below the line that they are about. */
import type { DiffLine, FileDiff } from "../../api/schema.gen";
import { BASE } from "../compared-trees";
import type { DiffRow, LineRow } from "../diff/row-types";
import { type CommentedLine, lineKind, type ReviewComment } from "./comments";

/** The trees that a diff compares, and the diffs of all variations against the base. */
export interface DiffContext {
  readonly from: number;
  readonly to: number;
  readonly diffs: ReadonlyMap<number, readonly FileDiff[]>;
}

export type SideName = "old" | "new";

/** Return the line of a variation's change that one side of a row shows; null for the base's. */
export function commentedLine(
  row: LineRow,
  sideName: SideName,
  path: string,
  { from, to, diffs }: DiffContext,
): CommentedLine | null {
  const side = sideName === "old" ? row.oldSide : row.newSide;
  if (!side) return null;
  const variation = sideName === "old" && from !== BASE ? from : to;
  const files = diffs.get(variation) ?? [];
  const kind: DiffLine["kind"] =
    from === BASE ? side.line.kind : (lineKind(files, path, side.line.text) ?? "context");
  return { variation, path, line: side.number, kind, text: side.line.text };
}

/** Return the rows with a row for each comment whose line they show. */
export function placeComments(
  rows: readonly DiffRow[],
  files: readonly FileDiff[],
  comments: readonly ReviewComment[],
  context: DiffContext,
): readonly DiffRow[] {
  if (comments.length === 0) return rows;
  const placed = new Map<number, string[]>();
  for (const comment of comments) {
    const index = rowOf(rows, files, comment, context);
    if (index !== null) placed.set(index, [...(placed.get(index) ?? []), comment.id]);
  }
  return rows.flatMap((row, index) => [
    row,
    ...(placed.get(index) ?? []).map(
      (comment): DiffRow => ({
        type: "comment",
        key: `c${comment}`,
        file: row.file,
        comment,
      }),
    ),
  ]);
}

/** Return the row that shows a comment's line: at its number, else the first with its text. */
function rowOf(
  rows: readonly DiffRow[],
  files: readonly FileDiff[],
  comment: ReviewComment,
  context: DiffContext,
): number | null {
  const found = rows.flatMap((row, index) => {
    const path = files[row.file]?.path;
    if (row.type !== "line" || path !== comment.path) return [];
    const sides = (["new", "old"] as const).map((side) => commentedLine(row, side, path, context));
    const same = sides.find((each) => each && isSame(each, comment));
    return same ? [{ index, line: same.line }] : [];
  });
  return (found.find(({ line }) => line === comment.line) ?? found[0])?.index ?? null;
}

function isSame(found: CommentedLine, comment: CommentedLine): boolean {
  return (
    found.variation === comment.variation &&
    found.kind === comment.kind &&
    found.text === comment.text
  );
}
