/**
 * What the matrix shows of its rows: filtered, searched, and rows with one and the same result
 * folded to one.
 */
import type { MatrixCell, MatrixRow } from "./matrix-rows";

export const FILTERS = ["all", "differences", "fixed", "broken"] as const;
export type MatrixFilter = (typeof FILTERS)[number];

export interface MatrixQuery {
  readonly filter: MatrixFilter;
  /** Part of a test's name or file, in lower case. */
  readonly text: string;
}

/** Rows that have the same result and the same message in every variation. */
export interface RowGroup {
  readonly id: string;
  readonly rows: readonly MatrixRow[];
}

export type MatrixItem =
  | { readonly type: "row"; readonly row: MatrixRow; readonly isNested: boolean }
  | { readonly type: "group"; readonly group: RowGroup };

/** From this number of alike rows on, they are folded. */
const MIN_GROUP = 4;

export function matchesQuery(row: MatrixRow, { filter, text }: MatrixQuery): boolean {
  if (text !== "" && !`${row.title} ${row.file}`.toLowerCase().includes(text)) return false;
  if (filter === "all") return true;
  if (filter === "differences") return row.differs;
  return row.cells.some((cell) => cell.state === filter);
}

/**
 * Return the rows in their order, with those that are alike folded to a group where the first of
 * them stands. The rows of an opened group follow it.
 */
export function foldRows(
  rows: readonly MatrixRow[],
  opened: ReadonlySet<string>,
): readonly MatrixItem[] {
  const alike = new Map<string, MatrixRow[]>();
  for (const row of rows) {
    const key = rowSignature(row);
    const group = alike.get(key);
    if (group) group.push(row);
    else alike.set(key, [row]);
  }
  return [...alike.values()].flatMap((group) => groupItems(group, opened));
}

function groupItems(
  rows: readonly MatrixRow[],
  opened: ReadonlySet<string>,
): readonly MatrixItem[] {
  const [first] = rows;
  if (!first || rows.length < MIN_GROUP)
    return rows.map((row) => ({ type: "row", row, isNested: false }));
  const group: RowGroup = { id: first.id, rows };
  const nested = opened.has(group.id) ? rows : [];
  return [
    { type: "group", group },
    ...nested.map((row): MatrixItem => ({ type: "row", row, isNested: true })),
  ];
}

function rowSignature(row: MatrixRow): string {
  return JSON.stringify([row.base, row.cells.map((cell) => [cell.state, firstLine(cell)])]);
}

function firstLine({ message }: Pick<MatrixCell, "message">): string {
  return message.split("\n", 1)[0] ?? "";
}

/** Return the one message of a group, that of the first cell that has any. */
export function groupMessage({ rows }: RowGroup): string {
  return rows[0]?.cells.map(firstLine).find((message) => message !== "") ?? "";
}
