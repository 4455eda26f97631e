import type { FileDiff, Flag, FlagKind } from "../../api/schema.gen";
import { Button } from "../../ui/button";
import { Chip } from "../../ui/chip";
import { line, plain } from "../../ui/plain";
import styles from "./diff.module.css";
import { sizeOf } from "./rows";
import type { Taking } from "./selection";

const STATUS: Readonly<Record<FileDiff["status"], string>> = {
  added: "new",
  removed: "removed",
  modified: "",
};

interface FileHeadProps {
  readonly file: FileDiff;
  readonly taking: Taking | null;
  readonly isFolded: boolean;
  readonly onFold: (path: string) => void;
  readonly isCurrent: boolean;
}

/** A file's path, size and what can be done with it as a whole. */
export function FileHead({ file, taking, isFolded, onFold, isCurrent }: FileHeadProps) {
  const { additions, deletions } = sizeOf(file);
  const path = line(file.path);
  return (
    <h3 className={styles.file} data-current={isCurrent || undefined}>
      <button
        type="button"
        className={styles.path}
        aria-expanded={!isFolded}
        title={isFolded ? "Show it" : "Fold it: reviewed"}
        onClick={() => onFold(file.path)}
      >
        <span aria-hidden="true">{isFolded ? "▸" : "▾"}</span>
        <span className="clip">{path}</span>
      </button>
      {STATUS[file.status] && <Chip>{STATUS[file.status]}</Chip>}
      <span className="num">
        <span className={styles.plus}>+{additions}</span>{" "}
        <span className={styles.minus}>−{deletions}</span>
      </span>
      {taking && (
        <Take
          isTaken={taking.isTaken(file.path, null)}
          name={`the file ${path}`}
          onToggle={() => taking.toggle(file.path, null)}
        >
          take the file
        </Take>
      )}
    </h3>
  );
}

export function HunkHead({
  file,
  hunk,
  taking,
  isCurrent,
}: {
  file: FileDiff;
  hunk: number;
  taking: Taking | null;
  isCurrent: boolean;
}) {
  const each = file.hunks[hunk];
  if (!each) return null;
  const isWhole = file.status !== "modified";
  return (
    <div className={styles.hunk} data-current={isCurrent || undefined}>
      <span className="clip">
        {`@@ −${each.old_start},${each.old_lines} +${each.new_start},${each.new_lines} @@ `}
        <span className={styles.heading}>{line(each.heading)}</span>
      </span>
      {taking && !isWhole && (
        <Take
          isTaken={taking.isTaken(file.path, hunk)}
          name={`hunk ${hunk + 1} of ${line(file.path)}`}
          onToggle={() => taking.toggle(file.path, hunk)}
        >
          take
        </Take>
      )}
    </div>
  );
}

interface TakeProps {
  readonly isTaken: boolean;
  readonly name: string;
  readonly onToggle: () => void;
  readonly children: string;
}

function Take({ isTaken, name, onToggle, children }: TakeProps) {
  return (
    <label className={styles.take} data-taken={isTaken || undefined}>
      <input type="checkbox" checked={isTaken} onChange={onToggle} aria-label={`Take ${name}`} />
      {children}
    </label>
  );
}

export const FLAGS: Readonly<Record<FlagKind, string>> = {
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

/** A flag at the place that it is about, with the way to let it pass. */
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
      <Chip tone={cleared === null ? "warn" : "plain"} glyph="⚑">
        {FLAGS[flag.kind]}
      </Chip>
      <p>
        {plain(flag.message)}
        {cleared !== null && <span className="dim"> Cleared: {plain(cleared)}</span>}
      </p>
      {cleared === null && onClear && (
        <Button size="s" onClick={onClear}>
          Clear with a reason
        </Button>
      )}
    </aside>
  );
}
