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
  const found = groupSpans(columns);
  if (!found.some((span) => span.columns > 1)) return null;
  return (
    <tr className={styles.groups}>
      <td colSpan={2} />
      {found.map((span, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: the places of one row
        <td key={index} colSpan={span.columns}>
          {span.columns > 1 && <span className={styles.bracket}>same behaviour</span>}
        </td>
      ))}
    </tr>
  );
}

function CheckRows({ section, ...props }: TableProps & { section: CheckSection }) {
  const [unfolded, setUnfolded] = useState(false);
  const { checkRow: whole, rows, sameRows: alike, passingCount: passing, kind } = section;
  const folded = alike.length + passing;
  return (
    <tbody>
      <MatrixTableRow row={whole} {...props}>
        <strong className="clip mono">{visibleLine(section.check)}</strong>
        {kind !== "test" && (
          <Chip>{kind === "build" ? "build" : `${kind}: not used for ranking`}</Chip>
        )}
      </MatrixTableRow>
      {rows.map((row) => (
        <TestRow key={row.id} row={row} {...props} />
      ))}
      {unfolded && alike.map((row) => <TestRow key={row.id} row={row} {...props} />)}
      {folded > 0 && (
        <tr className={styles.toggleRow}>
          <td colSpan={2 + props.columns.length}>
            {alike.length > 0 ? (
              <button type="button" aria-expanded={unfolded} onClick={() => setUnfolded(!unfolded)}>
                {`${unfolded ? "▾" : "▸"} ${collapsedText(alike, passing)}`}
              </button>
            ) : (
              <span>{collapsedText(alike, passing)}</span>
            )}
          </td>
        </tr>
      )}
    </tbody>
  );
}

function collapsedText(alike: readonly MatrixRow[], passing: number): string {
  const told = [];
  if (passing > 0)
    told.push(`${pluralize(passing, "test passes", "tests pass")} as before in every variation`);
  if (alike.length > 0) told.push(`${pluralize(alike.length, "test")} with the same result in all`);
  return told.join(" · ");
}

function TestRow({ row, ...props }: TableProps & { row: MatrixRow }) {
  return (
    <MatrixTableRow row={row} {...props}>
      <TestName row={row} />
    </MatrixTableRow>
  );
}
