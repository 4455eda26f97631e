import { type CSSProperties, useMemo, useState } from "react";
import { CheckRows } from "./check-rows";
import { ColumnHead } from "./column-head";
import { type Column, groupSpans } from "./columns";
import { crossTestRows } from "./cross-test-rows";
import { CrossTestSection } from "./cross-test-section";
import { MatrixControls } from "./matrix-controls";
import { checkSections } from "./matrix-rows";
import type { TableProps } from "./matrix-table-row";
import type { MatrixQuery } from "./matrix-view";
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
  const [query, setQuery] = useState<MatrixQuery>({ filter: "all", text: "" });
  return (
    <>
      <MatrixControls query={query} onChange={setQuery} />
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: the keyboard must reach what scrolls */}
      <section className={styles.scroller} tabIndex={0} aria-label="Test results">
        <table
          className={styles.matrix}
          data-many={columns.length > 4 || undefined}
          style={{ "--columns": columns.length } as CSSProperties}
        >
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
            <CheckRows key={section.check} section={section} query={query} {...props} />
          ))}
          {cross.length > 0 && <CrossTestSection rows={cross} {...props} />}
          <MetricRows columns={columns} />
        </table>
        {rows.length === 0 && (
          <p className={styles.noChecks}>No checks ran, so nothing is proven for any variation.</p>
        )}
      </section>
    </>
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
