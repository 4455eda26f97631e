import { useState } from "react";
import { VariationBadge } from "../ui/chip";
import { pluralize } from "../ui/format";
import { visibleLine } from "../ui/visible-text";
import own from "./cross-test-section.module.css";
import type { MatrixRow } from "./matrix-rows";
import { MatrixTableRow, type TableProps, TestName } from "./matrix-table-row";
import styles from "./test-matrix.module.css";

/** Cross-tests in the matrix. Those with the same result in all variations are hidden at first. */
export function CrossTestSection({ rows, ...props }: TableProps & { rows: readonly MatrixRow[] }) {
  const [open, setOpen] = useState(false);
  const relevant = rows.filter((row) => (row.cross?.weight ?? 0) > 0 || row.differs);
  const shownRows = open ? rows : relevant;
  const hiddenCount = rows.length - relevant.length;
  return (
    <tbody>
      <tr className={styles.sectionHeader}>
        <th scope="rowgroup" colSpan={2 + props.columns.length}>
          Cross-tests <span className="dim">tests that one variation wrote, run on the others</span>
        </th>
      </tr>
      {shownRows.map((row) => (
        <MatrixTableRow key={row.id} row={row} {...props}>
          <span className={own.authors}>
            {row.cross?.authors.map((author) => (
              <VariationBadge key={author} number={author} />
            ))}
          </span>
          <TestName row={row} />
          <CrossTestWeight row={row} />
        </MatrixTableRow>
      ))}
      {hiddenCount > 0 && (
        <tr className={styles.toggleRow}>
          <td colSpan={2 + props.columns.length}>
            <button type="button" aria-expanded={open} onClick={() => setOpen(!open)}>
              {open ? "▾" : "▸"} {pluralize(hiddenCount, "cross-test")} with the same result in all
            </button>
          </td>
        </tr>
      )}
    </tbody>
  );
}

/** Weight of a cross-test. */
function CrossTestWeight({ row }: { row: MatrixRow }) {
  const { weight = 0, why_not = "", stable = true } = row.cross ?? {};
  if (weight === 0) {
    const why =
      why_not || (stable ? "same result in all variations" : "different results on the same tree");
    return (
      <span className={own.weight} title={visibleLine(why)}>
        no weight
      </span>
    );
  }
  return (
    <span className={own.weight} title={`Weight ${weight.toFixed(2)}`}>
      <span className={own.weightBar} style={{ inlineSize: `${Math.min(1, weight) * 100}%` }} />
      <span className="visually-hidden">{`weight ${weight.toFixed(2)}`}</span>
    </span>
  );
}
