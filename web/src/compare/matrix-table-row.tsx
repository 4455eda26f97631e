import { Fragment, type ReactNode } from "react";
import type { RunDetails } from "../api/schema.gen";
import type { RunView } from "../stream/run-view";
import { visibleLine } from "../ui/visible-text";
import { baseLabel, type CellLabel, cellLabel } from "./cell-labels";
import { CellPanel } from "./cell-panel";
import type { Column } from "./columns";
import type { MatrixCell, MatrixRow } from "./matrix-rows";
import styles from "./test-matrix.module.css";

/** What every part of the test matrix needs. */
export interface TableProps {
  readonly details: RunDetails;
  readonly columns: readonly Column[];
  readonly view: RunView;
  /** Row id and variation of the open cell, as `id@number`. */
  readonly open: string | null;
  readonly onOpen: (cell: string | null) => void;
  readonly onChoose: (number: number) => void;
}

/** One row of the matrix, and below it the details of its open cell. */
export function MatrixTableRow({
  row,
  children,
  ...props
}: TableProps & { row: MatrixRow; children: ReactNode }) {
  const { columns, open, onOpen } = props;
  const openCell = row.cells.find((cell) => open === cellId(row, cell));
  return (
    <Fragment>
      <tr data-kind={row.kind} data-differs={row.differs || undefined}>
        <th scope="row" className={styles.rowHeader}>
          <span className={styles.name}>{children}</span>
        </th>
        <td className={styles.base}>
          <CellMark shown={baseLabel(row.base)} />
        </td>
        {row.cells.map((cell) => {
          const id = cellId(row, cell);
          return (
            <td key={id} className={styles.cell} data-tone={cellLabel(cell).tone}>
              <CellButton
                shown={cellLabel(cell)}
                isOpen={open === id}
                onClick={() => onOpen(open === id ? null : id)}
              />
            </td>
          );
        })}
      </tr>
      {openCell && (
        <tr className={styles.panel}>
          <td colSpan={2 + columns.length}>
            <CellPanel
              row={row}
              cell={openCell}
              view={props.view}
              runId={props.details.id}
              onClose={() => onOpen(null)}
            />
          </td>
        </tr>
      )}
    </Fragment>
  );
}

function cellId(row: MatrixRow, cell: MatrixCell): string {
  return `${row.id}@${cell.variation}`;
}

/** A cell's mark as a button; a long table has thousands, so it is one element fewer. */
function CellButton({
  shown: { glyph, word, tone },
  isOpen,
  onClick,
}: {
  shown: CellLabel;
  isOpen: boolean;
  onClick: () => void;
}) {
  return (
    <button
      type="button"
      className={styles.mark}
      data-tone={tone}
      aria-expanded={isOpen}
      onClick={onClick}
    >
      <span aria-hidden="true" className={styles.glyph}>
        {glyph}
      </span>
      {word}
    </button>
  );
}

export function CellMark({ shown: { glyph, word, tone } }: { shown: CellLabel }) {
  return (
    <span className={styles.mark} data-tone={tone}>
      <span aria-hidden="true" className={styles.glyph}>
        {glyph}
      </span>
      {word}
    </span>
  );
}

/** Name of the test, followed by its file or class. */
export function TestName({ row }: { row: MatrixRow }) {
  const title = visibleLine(row.title);
  const split = Math.max(title.lastIndexOf("::"), title.lastIndexOf("."), title.lastIndexOf(" › "));
  const [location, name] =
    split > 0
      ? [title.slice(0, split), title.slice(split).replace(/^(::|\.| › )/, "")]
      : ["", title];
  return (
    <span className={styles.test} title={row.file ? `${title} in ${visibleLine(row.file)}` : title}>
      <span className="clip">{name}</span>
      {location && <span className="clip dim">{location}</span>}
    </span>
  );
}
