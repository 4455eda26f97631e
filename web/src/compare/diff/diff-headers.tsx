import type { FileDiff, Flag, FlagKind, Hunk } from "../../api/schema.gen";
import { Button } from "../../ui/button";
import { Chip } from "../../ui/chip";
import { formatThousands, pluralize } from "../../ui/format";
import { visibleLine } from "../../ui/visible-text";
import { diffSize } from "./diff-rows";
import type { DiffSelection } from "./diff-selection";
import styles from "./diff-view.module.css";
import type { GapRow } from "./row-types";

const STATUS_LABELS: Readonly<Record<FileDiff["status"], string>> = {
  added: "new",
  removed: "removed",
  modified: "",
};

function statusLabel(file: FileDiff): string {
  if (file.renamed_from !== null) return `renamed from ${visibleLine(file.renamed_from)}`;
  return file.renamed_to !== null ? "renamed" : STATUS_LABELS[file.status];
}

interface FileHeaderProps {
  readonly file: FileDiff;
  readonly selection: DiffSelection | null;
  readonly isFolded: boolean;
  readonly onFold: (path: string) => void;
  /** Show the whole file. */
  readonly onOpen: () => void;
  readonly isCurrent: boolean;
  readonly editorLink: string | null;
}

/** Header of a file: path, size, whether it was viewed, and the checkbox that selects it. */
export function FileHeader({
  file,
  selection,
  isFolded,
  onFold,
  onOpen,
  isCurrent,
  editorLink,
}: FileHeaderProps) {
  const { additions, deletions } = diffSize(file);
  const path = visibleLine(file.path);
  return (
    <h3 className={styles.file} data-current={isCurrent || undefined}>
      <button
        type="button"
        className={styles.path}
        aria-expanded={!isFolded}
        title={isFolded ? "Show the file" : "Fold the file as viewed"}
        onClick={() => onFold(file.path)}
      >
        <span aria-hidden="true">{isFolded ? "▸" : "▾"}</span>
        <span className="clip">{path}</span>
      </button>
      {statusLabel(file) && <Chip>{statusLabel(file)}</Chip>}
      <span className="num">
        <span className={styles.additions}>+{formatThousands(additions)}</span>{" "}
        <span className={styles.deletions}>−{formatThousands(deletions)}</span>
      </span>
      {editorLink && (
        <a href={editorLink} aria-label={`Open ${path} in the editor`}>
          open
        </a>
      )}
      {canShowWhole(file) && !isFolded && (
        <Button size="s" variant="quiet" onClick={onOpen}>
          Whole file
        </Button>
      )}
      <label className={styles.select}>
        <input
          type="checkbox"
          checked={isFolded}
          onChange={() => onFold(file.path)}
          aria-label={`Viewed ${path}`}
        />
        viewed
      </label>
      {selection && (
        <SelectBox
          isSelected={selection.isSelected(file.path, null)}
          name={`the file ${path}`}
          onToggle={() => selection.toggle(file.path, null)}
        >
          select file
        </SelectBox>
      )}
    </h3>
  );
}

function canShowWhole(file: FileDiff): boolean {
  return file.status === "modified" && file.renamed_from === null && !file.binary;
}

/** The unchanged lines between two hunks, which a click shows. */
export function GapButton({ row, onOpen }: { row: GapRow; onOpen: () => void }) {
  return (
    <button type="button" className={styles.gap} onClick={onOpen}>
      {row.lines === null ? "Show the rest of the file" : `Show ${pluralize(row.lines, "line")}`}
    </button>
  );
}

interface HunkHeaderProps {
  readonly file: FileDiff;
  readonly hunk: number;
  readonly selection: DiffSelection | null;
  readonly isCurrent: boolean;
  /** How many variations make this change, where it is folded for that reason. */
  readonly commonTo: number | null;
  readonly onOpen: () => void;
}

export function HunkHeader({
  file,
  hunk,
  selection,
  isCurrent,
  commonTo,
  onOpen,
}: HunkHeaderProps) {
  const each = file.hunks[hunk];
  if (!each) return null;
  const isWhole = file.status !== "modified";
  return (
    <div className={styles.hunk} data-current={isCurrent || undefined}>
      <span className="clip">
        {`@@ −${each.old_start},${each.old_lines} +${each.new_start},${each.new_lines} @@ `}
        <span className={styles.heading}>{visibleLine(each.heading)}</span>
      </span>
      {commonTo !== null && (
        <button type="button" className={styles.common} aria-expanded={false} onClick={onOpen}>
          {`▸ ${commonTo === 2 ? "Both" : `All ${commonTo}`} do this: ${pluralize(changedLines(each), "line")}`}
        </button>
      )}
      {selection && !isWhole && (
        <SelectBox
          isSelected={selection.isSelected(file.path, hunk)}
          name={`hunk ${hunk + 1} of ${visibleLine(file.path)}`}
          onToggle={() => selection.toggle(file.path, hunk)}
        >
          select hunk
        </SelectBox>
      )}
    </div>
  );
}

function changedLines(hunk: Hunk): number {
  return hunk.lines.filter((line) => line.kind !== "context").length;
}

interface SelectBoxProps {
  readonly isSelected: boolean;
  readonly name: string;
  readonly onToggle: () => void;
  readonly children: string;
}

function SelectBox({ isSelected, name, onToggle, children }: SelectBoxProps) {
  return (
    <label className={styles.select} data-selected={isSelected || undefined}>
      <input
        type="checkbox"
        checked={isSelected}
        onChange={onToggle}
        aria-label={`Select ${name}`}
      />
      {children}
    </label>
  );
}

export const FLAG_LABELS: Readonly<Record<FlagKind, string>> = {
  deleted_test: "test deleted",
  weakened_test: "test weakened",
  skipped_test: "test skipped",
  test_config: "test configuration",
  ci_config: "CI configuration",
  snapshot: "snapshot rewritten",
  check_command: "check command",
  protected_path: "protected path",
  secret: "secret",
};

/** Flag at its place in the diff, with a button that clears it. */
export function FlagNote({
  flag,
  cleared,
  onClear,
}: {
  flag: Flag;
  cleared: string | null;
  onClear: (() => void) | null;
}) {
  return (
    <aside className={styles.flag} data-cleared={cleared !== null || undefined} aria-label="Flag">
      <Chip tone={cleared === null ? "warning" : "neutral"} glyph="⚑">
        {FLAG_LABELS[flag.kind]}
      </Chip>
      <p>
        {flag.message}
        {cleared !== null && <span className="dim"> Cleared: {cleared}</span>}
      </p>
      {cleared === null && onClear && (
        <Button size="s" onClick={onClear}>
          Clear flags
        </Button>
      )}
    </aside>
  );
}
