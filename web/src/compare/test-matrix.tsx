import { type CSSProperties, Fragment, type ReactNode, useMemo, useState } from "react";
import type { RunDetails } from "../api/schema.gen";
import type { RunView } from "../stream/run-view";
import { Chip, VariationBadge } from "../ui/chip";
import { pluralize } from "../ui/format";
import { visibleLine } from "../ui/visible-text";
import { baseLabel, type CellLabel, cellLabel } from "./cell-labels";
import { CellPanel } from "./cell-panel";
import { ColumnHead } from "./column-head";
import { type Column, groupSpans } from "./columns";
import { crossTestRows } from "./cross-test-rows";
import { type CheckSection, checkSections, type MatrixCell, type MatrixRow } from "./matrix-rows";
import { MetricRows } from "./metric-rows";
import styles from "./test-matrix.module.css";

interface Props {
  readonly details: RunDetails;
  readonly columns: readonly Column[];
  readonly view: RunView;
  /** Row id and variation of the open cell, as `id@number`. */
  readonly open: string | null;
  readonly onOpen: (cell: string | null) => void;
  readonly onChoose: (number: number) => void;
}

/**
 * Table of tests × variations against the base. Differences come first; rows without any are hidden
 * until opened.
 */
export function TestMatrix(props: Props) {
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
          What each variation did to each test, against the base
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
        {cross.length > 0 && <CrossTestRows rows={cross} {...props} />}
        <MetricRows columns={columns} />
      </table>
      {rows.length === 0 && (
        <p className={styles.noChecks}>No check was run: nothing is proven of any variation.</p>
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
          {span.columns > 1 && <span className={styles.bracket}>behave the same</span>}
        </td>
      ))}
    </tr>
  );
}

function CheckRows({ section, ...props }: Props & { section: CheckSection }) {
  const [unfolded, setUnfolded] = useState(false);
  const { checkRow: whole, rows, sameRows: alike, passingCount: passing, kind } = section;
  const folded = alike.length + passing;
  return (
    <tbody>
      <MatrixTableRow row={whole} {...props}>
        <strong className="clip mono">{visibleLine(section.check)}</strong>
        {kind !== "test" && (
          <Chip>{kind === "build" ? "build" : `${kind}: shown, never decides`}</Chip>
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
  if (passing > 0) told.push(`${passing} pass as before in every variation`);
  if (alike.length > 0) told.push(`${pluralize(alike.length, "test")} the same in all`);
  return told.join(" · ");
}

function TestRow({ row, ...props }: Props & { row: MatrixRow }) {
  return (
    <MatrixTableRow row={row} {...props}>
      <TestName row={row} />
    </MatrixTableRow>
  );
}

/** Name of the test, followed by its file or class. */
function TestName({ row }: { row: MatrixRow }) {
  const title = visibleLine(row.title);
  const cut = Math.max(title.lastIndexOf("::"), title.lastIndexOf("."), title.lastIndexOf(" › "));
  const [where, name] =
    cut > 0 ? [title.slice(0, cut), title.slice(cut).replace(/^(::|\.| › )/, "")] : ["", title];
  return (
    <span className={styles.test} title={row.file ? `${title} in ${visibleLine(row.file)}` : title}>
      <span className="clip">{name}</span>
      {where && <span className="clip dim">{where}</span>}
    </span>
  );
}

function CrossTestRows({ rows, ...props }: Props & { rows: readonly MatrixRow[] }) {
  const [all, setAll] = useState(false);
  const telling = rows.filter((row) => (row.cross?.weight ?? 0) > 0 || row.differs);
  const shownRows = all ? rows : telling;
  const rest = rows.length - telling.length;
  return (
    <tbody>
      <tr className={styles.sectionHeader}>
        <th scope="rowgroup" colSpan={2 + props.columns.length}>
          Cross-tests <span className="dim">tests that one variation wrote, run on the others</span>
        </th>
      </tr>
      {shownRows.map((row) => (
        <MatrixTableRow key={row.id} row={row} {...props}>
          <span className={styles.authors}>
            {row.cross?.authors.map((author) => (
              <VariationBadge key={author} number={author} />
            ))}
          </span>
          <TestName row={row} />
          <CrossTestWeight row={row} />
        </MatrixTableRow>
      ))}
      {rest > 0 && (
        <tr className={styles.toggleRow}>
          <td colSpan={2 + props.columns.length}>
            <button type="button" aria-expanded={all} onClick={() => setAll(!all)}>
              {`${all ? "▾" : "▸"} ${pluralize(rest, "cross-test")} that tell${rest === 1 ? "s" : ""} nothing apart`}
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
      why_not || (stable ? "it does not tell the variations apart" : "it said different things");
    return (
      <span className={styles.weight} title={visibleLine(why)}>
        does not count
      </span>
    );
  }
  return (
    <span className={styles.weight} title={`It counts ${weight.toFixed(2)}`}>
      <span className={styles.weightBar} style={{ inlineSize: `${Math.min(1, weight) * 100}%` }} />
      <span className="visually-hidden">{`counts ${weight.toFixed(2)}`}</span>
    </span>
  );
}

function MatrixTableRow({
  row,
  children,
  ...props
}: Props & { row: MatrixRow; children: ReactNode }) {
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
              <button
                type="button"
                aria-expanded={open === id}
                onClick={() => onOpen(open === id ? null : id)}
              >
                <CellMark shown={cellLabel(cell)} />
              </button>
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

export function cellId(row: MatrixRow, cell: MatrixCell): string {
  return `${row.id}@${cell.variation}`;
}

function CellMark({ shown: { glyph, word, tone } }: { shown: CellLabel }) {
  return (
    <span className={styles.mark} data-tone={tone}>
      <span aria-hidden="true" className={styles.glyph}>
        {glyph}
      </span>
      <span>{word}</span>
    </span>
  );
}
