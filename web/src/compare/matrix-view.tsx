import { type CSSProperties, Fragment, type ReactNode, useMemo, useState } from "react";
import type { RunDetails } from "../api/schema.gen";
import type { RunView } from "../stream/types";
import { Chip, LaneMark } from "../ui/chip";
import { plural } from "../ui/format";
import { line } from "../ui/plain";
import { CellPanel } from "./cell-panel";
import { ColumnHead } from "./column-head";
import { type Column, spans } from "./columns";
import { crossRows } from "./cross-rows";
import { Figures } from "./figures";
import { type Cell, type Row, type Section, sections } from "./matrix";
import styles from "./matrix.module.css";
import { type Shown, shown, shownOfBase } from "./signs";

interface Props {
  readonly details: RunDetails;
  readonly columns: readonly Column[];
  readonly view: RunView;
  /** Row id and variation of the cell that is looked at, `id@number`. */
  readonly open: string | null;
  readonly onOpen: (cell: string | null) => void;
  readonly onChoose: (number: number) => void;
}

/** Tests × variations against the base: what differs first, what says nothing folded. */
export function Matrix(props: Props) {
  const { details, columns } = props;
  const rows = useMemo(() => sections(columns, details.checks), [columns, details.checks]);
  const cross = useMemo(
    () => crossRows(columns, details.evidence?.cross_tests ?? []),
    [columns, details.evidence],
  );
  return (
    <div className={styles.scroller}>
      <table className={styles.matrix} style={{ "--columns": columns.length } as CSSProperties}>
        <caption className="only-read-aloud">
          What each variation did to each test, against the base
        </caption>
        <colgroup>
          <col className={styles.names} />
          <col className={styles.bases} />
          {columns.map((column) => (
            <col key={column.number} />
          ))}
        </colgroup>
        <thead>
          <Groups columns={columns} />
          <tr>
            <th scope="col" className={styles.what}>
              <span className="only-read-aloud">Check or test</span>
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
          <SectionRows key={section.check} section={section} {...props} />
        ))}
        {cross.length > 0 && <CrossRows rows={cross} {...props} />}
        <Figures columns={columns} />
      </table>
      {rows.length === 0 && (
        <p className={styles.nothing}>No check was run: nothing is proven of any variation.</p>
      )}
    </div>
  );
}

/** A bracket over the variations that no test tells apart. */
function Groups({ columns }: { columns: readonly Column[] }) {
  const found = spans(columns);
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

function SectionRows({ section, ...props }: Props & { section: Section }) {
  const [unfolded, setUnfolded] = useState(false);
  const { whole, rows, alike, passing, kind } = section;
  const folded = alike.length + passing;
  return (
    <tbody>
      <MatrixRow row={whole} {...props}>
        <strong className="clip mono">{line(section.check)}</strong>
        {kind !== "test" && (
          <Chip>{kind === "build" ? "build" : `${kind}: shown, never decides`}</Chip>
        )}
      </MatrixRow>
      {rows.map((row) => (
        <TestRow key={row.id} row={row} {...props} />
      ))}
      {unfolded && alike.map((row) => <TestRow key={row.id} row={row} {...props} />)}
      {folded > 0 && (
        <tr className={styles.fold}>
          <td colSpan={2 + props.columns.length}>
            {alike.length > 0 ? (
              <button type="button" aria-expanded={unfolded} onClick={() => setUnfolded(!unfolded)}>
                {`${unfolded ? "▾" : "▸"} ${sayFolded(alike, passing)}`}
              </button>
            ) : (
              <span>{sayFolded(alike, passing)}</span>
            )}
          </td>
        </tr>
      )}
    </tbody>
  );
}

function sayFolded(alike: readonly Row[], passing: number): string {
  const told = [];
  if (passing > 0) told.push(`${passing} pass as before in every variation`);
  if (alike.length > 0) told.push(`${plural(alike.length, "test")} the same in all`);
  return told.join(" · ");
}

function TestRow({ row, ...props }: Props & { row: Row }) {
  return (
    <MatrixRow row={row} {...props}>
      <TestName row={row} />
    </MatrixRow>
  );
}

/** The test's own name first; where it lives, behind it and dimmer. */
function TestName({ row }: { row: Row }) {
  const title = line(row.title);
  const cut = Math.max(title.lastIndexOf("::"), title.lastIndexOf("."), title.lastIndexOf(" › "));
  const [where, name] =
    cut > 0 ? [title.slice(0, cut), title.slice(cut).replace(/^(::|\.| › )/, "")] : ["", title];
  return (
    <span className={styles.test} title={row.file ? `${title} in ${line(row.file)}` : title}>
      <span className="clip">{name}</span>
      {where && <span className="clip dim">{where}</span>}
    </span>
  );
}

function CrossRows({ rows, ...props }: Props & { rows: readonly Row[] }) {
  const [all, setAll] = useState(false);
  const telling = rows.filter((row) => (row.cross?.weight ?? 0) > 0 || row.differs);
  const shownRows = all ? rows : telling;
  const rest = rows.length - telling.length;
  return (
    <tbody>
      <tr className={styles.sectionHead}>
        <th scope="rowgroup" colSpan={2 + props.columns.length}>
          Cross-tests <span className="dim">tests that one variation wrote, run on the others</span>
        </th>
      </tr>
      {shownRows.map((row) => (
        <MatrixRow key={row.id} row={row} {...props}>
          <span className={styles.authors}>
            {row.cross?.authors.map((author) => (
              <LaneMark key={author} number={author} />
            ))}
          </span>
          <TestName row={row} />
          <Weight row={row} />
        </MatrixRow>
      ))}
      {rest > 0 && (
        <tr className={styles.fold}>
          <td colSpan={2 + props.columns.length}>
            <button type="button" aria-expanded={all} onClick={() => setAll(!all)}>
              {`${all ? "▾" : "▸"} ${plural(rest, "cross-test")} that tell${rest === 1 ? "s" : ""} nothing apart`}
            </button>
          </td>
        </tr>
      )}
    </tbody>
  );
}

/** How much a cross-test counts. */
function Weight({ row }: { row: Row }) {
  const { weight = 0, why_not = "", stable = true } = row.cross ?? {};
  if (weight === 0) {
    const why =
      why_not || (stable ? "it does not tell the variations apart" : "it said different things");
    return (
      <span className={styles.weight} title={line(why)}>
        does not count
      </span>
    );
  }
  return (
    <span className={styles.weight} title={`It counts ${weight.toFixed(2)}`}>
      <span className={styles.weightBar} style={{ inlineSize: `${Math.min(1, weight) * 100}%` }} />
      <span className="only-read-aloud">{`counts ${weight.toFixed(2)}`}</span>
    </span>
  );
}

function MatrixRow({ row, children, ...props }: Props & { row: Row; children: ReactNode }) {
  const { columns, open, onOpen } = props;
  const openCell = row.cells.find((cell) => open === cellId(row, cell));
  return (
    <Fragment>
      <tr data-kind={row.kind} data-differs={row.differs || undefined}>
        <th scope="row" className={styles.what}>
          <span className={styles.name}>{children}</span>
        </th>
        <td className={styles.base}>
          <SignOf shown={shownOfBase(row.base)} />
        </td>
        {row.cells.map((cell) => {
          const id = cellId(row, cell);
          return (
            <td key={id} className={styles.cell} data-tone={shown(cell).tone}>
              <button
                type="button"
                aria-expanded={open === id}
                onClick={() => onOpen(open === id ? null : id)}
              >
                <SignOf shown={shown(cell)} />
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

export function cellId(row: Row, cell: Cell): string {
  return `${row.id}@${cell.variation}`;
}

function SignOf({ shown: { glyph, word, tone } }: { shown: Shown }) {
  return (
    <span className={styles.sign} data-tone={tone}>
      <span aria-hidden="true" className={styles.glyph}>
        {glyph}
      </span>
      <span>{word}</span>
    </span>
  );
}
