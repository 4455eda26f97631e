import { useMemo, useRef, useState } from "react";
import { Chip } from "../ui/chip";
import { formatThousands, pluralize } from "../ui/format";
import { visibleLine } from "../ui/visible-text";
import { baseLabel, cellLabel } from "./cell-labels";
import items from "./matrix-items.module.css";
import type { CheckSection, MatrixRow } from "./matrix-rows";
import { CellMark, MatrixTableRow, type TableProps, TestName } from "./matrix-table-row";
import {
  foldRows,
  groupMessage,
  type MatrixItem,
  type MatrixQuery,
  matchesQuery,
  type RowGroup,
} from "./matrix-view";
import styles from "./test-matrix.module.css";
import { useVisibleRange } from "./use-visible-range";

interface Props extends TableProps {
  readonly section: CheckSection;
  readonly query: MatrixQuery;
}

/** Height of a row, as in `test-matrix.module.css`. */
const ROW_HEIGHT = 33;

/** One check and its tests. Only rows near the window are rendered. */
export function CheckRows({ section, query, ...props }: Props) {
  const [showsSame, setShowsSame] = useState(false);
  const [opened, setOpened] = useState<ReadonlySet<string>>(new Set());
  const body = useRef<HTMLTableSectionElement>(null);
  const { checkRow, rows, sameRows, kind } = section;
  const shownItems = useMemo(() => {
    const isAsked = query.text !== "" || query.filter !== "all";
    const shown = showsSame || isAsked ? [...rows, ...sameRows] : rows;
    return foldRows(
      shown.filter((row) => matchesQuery(row, query)),
      opened,
    );
  }, [rows, sameRows, query, opened, showsSame]);
  const { start, end } = useVisibleRange(body, shownItems.length, ROW_HEIGHT, ROW_HEIGHT);
  const toggle = (id: string) => {
    const next = new Set(opened);
    if (!next.delete(id)) next.add(id);
    setOpened(next);
  };
  return (
    <tbody ref={body} data-long={shownItems.length > end - start || undefined}>
      <MatrixTableRow row={checkRow} {...props}>
        <strong className="clip mono">{visibleLine(section.check)}</strong>
        {kind !== "test" && (
          <Chip>{kind === "build" ? "build" : `${kind}: not used for ranking`}</Chip>
        )}
      </MatrixTableRow>
      <Spacer rows={start} columns={props.columns.length} />
      {shownItems.slice(start, end).map((item) => (
        <Item key={itemKey(item)} item={item} opened={opened} onToggle={toggle} {...props} />
      ))}
      <Spacer rows={shownItems.length - end} columns={props.columns.length} />
      <HiddenRows
        section={section}
        isOpen={showsSame}
        onToggle={() => setShowsSame(!showsSame)}
        columns={props.columns.length}
      />
    </tbody>
  );
}

function itemKey(item: MatrixItem): string {
  return item.type === "group" ? `group ${item.group.id}` : item.row.id;
}

function Spacer({ rows, columns }: { rows: number; columns: number }) {
  if (rows <= 0) return null;
  return (
    <tr className={items.spacer}>
      <td colSpan={2 + columns} style={{ height: rows * ROW_HEIGHT }} />
    </tr>
  );
}

interface ItemProps extends TableProps {
  readonly item: MatrixItem;
  readonly opened: ReadonlySet<string>;
  readonly onToggle: (id: string) => void;
}

function Item({ item, opened, onToggle, ...props }: ItemProps) {
  if (item.type === "row")
    return (
      <MatrixTableRow row={item.row} {...props}>
        <TestName row={item.row} />
      </MatrixTableRow>
    );
  return (
    <GroupRow
      group={item.group}
      isOpen={opened.has(item.group.id)}
      onToggle={() => onToggle(item.group.id)}
    />
  );
}

/** Tests with the same result and message in every variation, as one row. */
function GroupRow({
  group,
  isOpen,
  onToggle,
}: {
  group: RowGroup;
  isOpen: boolean;
  onToggle: () => void;
}) {
  const [first] = group.rows;
  if (!first) return null;
  const message = visibleLine(groupMessage(group));
  return (
    <tr data-kind="test" data-differs={first.differs || undefined}>
      <th scope="row" className={styles.rowHeader}>
        <span className={styles.name}>
          <button
            type="button"
            className={items.group}
            aria-expanded={isOpen}
            title={message}
            onClick={onToggle}
          >
            {`${isOpen ? "▾" : "▸"} ${pluralize(group.rows.length, "test")}`}
            {message && <span className="clip dim">{message}</span>}
          </button>
        </span>
      </th>
      <td className={styles.base}>
        <CellMark shown={baseLabel(first.base)} />
      </td>
      {first.cells.map((cell) => (
        <td key={cell.variation} className={items.groupCell} data-tone={cellLabel(cell).tone}>
          <CellMark shown={cellLabel(cell)} />
        </td>
      ))}
    </tr>
  );
}

interface HiddenRowsProps {
  readonly section: CheckSection;
  readonly isOpen: boolean;
  readonly onToggle: () => void;
  readonly columns: number;
}

/** What the rows do not show: tests with the same result in all, and those not listed. */
function HiddenRows({ section, isOpen, onToggle, columns }: HiddenRowsProps) {
  const { sameRows, passingCount, unlistedCount } = section;
  const hidden = collapsedText(sameRows, passingCount);
  return (
    <>
      {unlistedCount > 0 && (
        <tr className={styles.toggleRow}>
          <td colSpan={2 + columns}>
            {`${formatThousands(unlistedCount)} more ${unlistedCount === 1 ? "test is" : "tests are"} counted above and not listed.`}
          </td>
        </tr>
      )}
      {hidden && (
        <tr className={styles.toggleRow}>
          <td colSpan={2 + columns}>
            {sameRows.length > 0 ? (
              <button type="button" aria-expanded={isOpen} onClick={onToggle}>
                {`${isOpen ? "▾" : "▸"} ${hidden}`}
              </button>
            ) : (
              <span>{hidden}</span>
            )}
          </td>
        </tr>
      )}
    </>
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
