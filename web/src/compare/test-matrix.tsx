import { type CSSProperties, useMemo, useState } from "react";
import { Chip } from "../ui/chip";
import { pluralize } from "../ui/format";
import { visibleLine } from "../ui/visible-text";
import { ColumnHead } from "./column-head";
import { type Column, groupSpans } from "./columns";
import { crossTestRows } from "./cross-test-rows";
import { CrossTestSection } from "./cross-test-section";
import { type CheckSection, checkSections, type MatrixRow } from "./matrix-rows";
import { MatrixTableRow, type TableProps, TestName } from "./matrix-table-row";
import { MetricRows } from "./metric-rows";
import styles from "./test-matrix.module.css";

/**
 * Table of tests × variations against the base. Differences come first; rows without any are hidden
 * until opened.
 */
export function TestMatrix(props: TableProps) {
  const { details, columns } = props;
  const rows = useMemo(() => checkSections(columns, details.checks), [columns, details.checks]);
  const cross = useMemo(
    () => crossTestRows(columns, details.evidence?.cross_tests ?? []),
    [columns, details.evidence],
  );
  return (
    <div className={styles.scroller}>
      <table className={styles.matrix} style={{ "--columns": columns.length } as CSSProperties}>
        <caption className="visually-hidden">
          Test results of each variation, compared with the base
        </caption>
        <colgroup>
          <col className={styles.nameColumn} />
          <col className={styles.baseColumn} />
          {columns.map((column) => (
            <col key={column.number} />
          ))}
        </colgroup>
        <thead>
          <GroupBrackets columns={columns} />
          <tr>
            <th scope="col" className={styles.rowHeader}>
              <span className="visually-hidden">Check or test</span>
            </th>
            <th scope="col" className={styles.base}>
              Base
            </th>
            {columns.map((column) => (
              <ColumnHead
                key={column.number}
                column={column}
                details={details}
                view={props.view}
                onChoose={props.onChoose}
              />
            ))}
          </tr>
        </thead>
        {rows.map((section) => (
          <CheckRows key={section.check} section={section} {...props} />
        ))}
        {cross.length > 0 && <CrossTestSection rows={cross} {...props} />}
        <MetricRows columns={columns} />
      </table>
      {rows.length === 0 && (
        <p className={styles.noChecks}>No checks ran, so nothing is proven for any variation.</p>
      )}
    </div>
  );
}

/** Bracket over variations that no test tells apart. */
function GroupBrackets({ columns }: { columns: readonly Column[] }) {
  const spans = groupSpans(columns);
  if (!spans.some((span) => span.columns > 1)) return null;
  return (
    <tr className={styles.groups}>
      <td colSpan={2} />
      {spans.map((span, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: the places of one row
        <td key={index} colSpan={span.columns}>
          {span.columns > 1 && <span className={styles.bracket}>same behaviour</span>}
        </td>
      ))}
    </tr>
  );
}

function CheckRows({ section, ...props }: TableProps & { section: CheckSection }) {
  const [open, setOpen] = useState(false);
  const { checkRow, rows, sameRows, passingCount, kind } = section;
  const hiddenCount = sameRows.length + passingCount;
  return (
    <tbody>
      <MatrixTableRow row={checkRow} {...props}>
        <strong className="clip mono">{visibleLine(section.check)}</strong>
        {kind !== "test" && (
          <Chip>{kind === "build" ? "build" : `${kind}: not used for ranking`}</Chip>
        )}
      </MatrixTableRow>
      {rows.map((row) => (
        <TestRow key={row.id} row={row} {...props} />
      ))}
      {open && sameRows.map((row) => <TestRow key={row.id} row={row} {...props} />)}
      {hiddenCount > 0 && (
        <tr className={styles.toggleRow}>
          <td colSpan={2 + props.columns.length}>
            {sameRows.length > 0 ? (
              <button type="button" aria-expanded={open} onClick={() => setOpen(!open)}>
                {`${open ? "▾" : "▸"} ${collapsedText(sameRows, passingCount)}`}
              </button>
            ) : (
              <span>{collapsedText(sameRows, passingCount)}</span>
            )}
          </td>
        </tr>
      )}
    </tbody>
  );
}

function collapsedText(sameRows: readonly MatrixRow[], passingCount: number): string {
  const parts = [];
  if (passingCount > 0)
    parts.push(
      `${pluralize(passingCount, "test passes", "tests pass")} as before in every variation`,
    );
  if (sameRows.length > 0)
    parts.push(`${pluralize(sameRows.length, "test")} with the same result in all`);
  return parts.join(" · ");
}

function TestRow({ row, ...props }: TableProps & { row: MatrixRow }) {
  return (
    <MatrixTableRow row={row} {...props}>
      <TestName row={row} />
    </MatrixTableRow>
  );
}
