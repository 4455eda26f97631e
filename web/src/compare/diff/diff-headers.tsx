import type { FileDiff, Flag, FlagKind } from "../../api/schema.gen";
import { Button } from "../../ui/button";
import { Chip } from "../../ui/chip";
import { visibleLine } from "../../ui/visible-text";
import { diffSize } from "./diff-rows";
import type { DiffSelection } from "./diff-selection";
import styles from "./diff-view.module.css";

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
  readonly isCurrent: boolean;
}

/** Header of a file: path, size, and the checkbox that selects it. */
export function FileHeader({ file, selection, isFolded, onFold, isCurrent }: FileHeaderProps) {
  const { additions, deletions } = diffSize(file);
  const path = visibleLine(file.path);
  return (
    <h3 className={styles.file} data-current={isCurrent || undefined}>
      <button
        type="button"
        className={styles.path}
        aria-expanded={!isFolded}
        title={isFolded ? "Show the file" : "Fold the file as reviewed"}
        onClick={() => onFold(file.path)}
      >
        <span aria-hidden="true">{isFolded ? "▸" : "▾"}</span>
        <span className="clip">{path}</span>
      </button>
      {statusLabel(file) && <Chip>{statusLabel(file)}</Chip>}
      <span className="num">
        <span className={styles.additions}>+{additions}</span>{" "}
        <span className={styles.deletions}>−{deletions}</span>
      </span>
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

export function HunkHeader({
  file,
  hunk,
  selection,
  isCurrent,
}: {
  file: FileDiff;
  hunk: number;
  selection: DiffSelection | null;
  isCurrent: boolean;
}) {
  const each = file.hunks[hunk];
  if (!each) return null;
  const isWhole = file.status !== "modified";
  return (
    <div className={styles.hunk} data-current={isCurrent || undefined}>
      <span className="clip">
        {`@@ −${each.old_start},${each.old_lines} +${each.new_start},${each.new_lines} @@ `}
        <span className={styles.heading}>{visibleLine(each.heading)}</span>
      </span>
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
