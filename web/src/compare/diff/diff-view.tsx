import { memo, type ReactNode, type Ref, useCallback, useMemo, useSyncExternalStore } from "react";
import { WindowVirtualizer, type WindowVirtualizerHandle } from "virtua";
import type { FileDiff, Flag } from "../../api/schema.gen";
import { plain } from "../../ui/plain";
import styles from "./diff.module.css";
import { FileHead, FlagNote, HunkHead } from "./heads";
import { isHighlighterThere, tokensOf, whenHighlighterComes } from "./highlight";
import type { DiffRow, LineRow, Look, Side } from "./rows";
import type { Taking } from "./selection";
import syntax from "./syntax.module.css";
import { segments } from "./tokens";
import { changedWords, type Ranges } from "./words";

export interface DiffProps {
  readonly files: readonly FileDiff[];
  readonly rows: readonly DiffRow[];
  readonly look: Look;
  readonly flags: readonly Flag[];
  /** Why a person let the flags pass; null while nobody did. */
  readonly cleared: string | null;
  readonly onClear: (() => void) | null;
  readonly taking: Taking | null;
  readonly folded: ReadonlySet<string>;
  readonly onFold: (path: string) => void;
  /** The row that the keyboard is at. */
  readonly current: string | null;
  readonly listRef: Ref<WindowVirtualizerHandle>;
}

const LINE_HEIGHT = 20;

/** A diff of any length: only the rows that can be seen are in the page. */
export function DiffView(props: DiffProps) {
  const subscribe = useCallback(whenHighlighterComes, []);
  const highlighted = useSyncExternalStore(subscribe, isHighlighterThere);
  const { rows, listRef } = props;
  const flags = useMemo(() => flagsByPlace(props.flags), [props.flags]);
  return (
    <div className={styles.diff} data-look={props.look}>
      <WindowVirtualizer ref={listRef} data={rows} itemSize={LINE_HEIGHT} bufferSize={400}>
        {(row) => (
          <Row key={row.key} row={row} diff={props} flags={flags} highlighted={highlighted} />
        )}
      </WindowVirtualizer>
    </div>
  );
}

export type FlagsByPlace = ReadonlyMap<string, readonly Flag[]>;

/** `path` for flags on a file as a whole, `path#hunk` for those on a hunk. */
export function placeOf(path: string, hunk: number | null): string {
  return hunk === null ? path : `${path}#${hunk}`;
}

function flagsByPlace(flags: readonly Flag[]): FlagsByPlace {
  const found = new Map<string, Flag[]>();
  for (const flag of flags) {
    const place = placeOf(flag.path, flag.hunk ?? null);
    found.set(place, [...(found.get(place) ?? []), flag]);
  }
  return found;
}

interface RowProps {
  readonly row: DiffRow;
  readonly diff: DiffProps;
  readonly flags: FlagsByPlace;
  readonly highlighted: boolean;
}

function Row({ row, diff, flags, highlighted }: RowProps): ReactNode {
  const file = diff.files[row.file];
  if (!file) return null;
  const told = (hunk: number | null) =>
    flags
      .get(placeOf(file.path, hunk))
      ?.map((flag) => (
        <FlagNote
          key={flag.kind + flag.message}
          flag={flag}
          cleared={diff.cleared}
          onClear={diff.onClear}
        />
      ));
  if (row.type === "file") {
    return (
      <>
        <FileHead
          file={file}
          taking={diff.taking}
          isFolded={diff.folded.has(file.path)}
          onFold={diff.onFold}
          isCurrent={diff.current === row.key}
        />
        {!diff.folded.has(file.path) && told(null)}
      </>
    );
  }
  if (row.type === "note") return <p className={styles.note}>{row.text}</p>;
  if (row.type === "hunk") {
    return (
      <>
        <HunkHead
          file={file}
          hunk={row.hunk}
          taking={diff.taking}
          isCurrent={diff.current === row.key}
        />
        {told(row.hunk)}
      </>
    );
  }
  return <LineOf row={row} file={file} look={diff.look} highlighted={highlighted} />;
}

interface LineProps {
  readonly row: LineRow;
  readonly file: FileDiff;
  readonly look: Look;
  readonly highlighted: boolean;
}

const LineOf = memo(function LineOf({ row, file, look }: LineProps) {
  const { old, now } = row;
  if (look === "split") {
    return (
      <div className={styles.pair}>
        <Half side={old} which="old" row={row} file={file} kind={old?.line.kind ?? "nothing"} />
        <Half side={now} which="now" row={row} file={file} kind={now?.line.kind ?? "nothing"} />
      </div>
    );
  }
  const side = now ?? old;
  const kind = side?.line.kind ?? "context";
  return (
    <div className={styles.line} data-kind={kind}>
      <span className={styles.number}>{old?.number}</span>
      <span className={styles.number}>{now?.number}</span>
      <Mark kind={kind} />
      <Code side={side} which={now ? "now" : "old"} row={row} file={file} />
    </div>
  );
});

interface CodeProps {
  readonly side: Side | null;
  readonly which: "old" | "now";
  readonly row: LineRow;
  readonly file: FileDiff;
}

function Half({
  kind,
  ...code
}: CodeProps & { kind: "context" | "removed" | "added" | "nothing" }) {
  return (
    <div className={styles.half} data-kind={kind}>
      <span className={styles.number}>{code.side?.number}</span>
      <Mark kind={kind} />
      <Code {...code} />
    </div>
  );
}

const MARKS: Readonly<Record<string, string>> = { added: "+", removed: "−" };

function Mark({ kind }: { kind: string }) {
  return <span className={styles.mark}>{MARKS[kind] ?? " "}</span>;
}

function Code({ side, which, row, file }: CodeProps) {
  const hunk = file.hunks[row.hunk];
  if (!side || !hunk) return <span className={styles.code} />;
  const { line } = side;
  const parts = segments(tokensOf(file, hunk, which, side.place), changedIn(side, which));
  return (
    <span className={styles.code}>
      {parts.map((part, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: the pieces of one line
        <span key={index} className={className(part.scope, part.changed)}>
          {plain(part.text)}
        </span>
      ))}
      {!line.newline && <span className={styles.noNewline}> ⏎̸ no line feed at the end</span>}
    </span>
  );
}

function changedIn({ line, partner }: Side, which: "old" | "now"): Ranges {
  if (partner === null) return [];
  if (which === "old") return changedWords(line.text, partner.text)?.old ?? [];
  return changedWords(partner.text, line.text)?.now ?? [];
}

function className(scope: string | null, changed: boolean): string | undefined {
  const names = [scope === null ? undefined : syntax[scope], changed ? styles.changed : undefined];
  return names.filter(Boolean).join(" ") || undefined;
}
