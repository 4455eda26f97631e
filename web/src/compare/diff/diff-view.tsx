import { memo, type ReactNode, type Ref, useCallback, useMemo, useSyncExternalStore } from "react";
import { WindowVirtualizer, type WindowVirtualizerHandle } from "virtua";
import type { FileDiff, Flag } from "../../api/schema.gen";
import type { SideName } from "../review/place-comments";
import { changedWords, type TextRanges } from "./changed-words";
import { FileHeader, FlagNote, GapButton, HunkHeader } from "./diff-headers";
import type { DiffSelection } from "./diff-selection";
import styles from "./diff-view.module.css";
import { wholeFileKey } from "./gap-rows";
import { markChanges } from "./marked-tokens";
import type { DiffLayout, DiffRow, LineRow, LineSide } from "./row-types";
import syntax from "./syntax.module.css";
import { isHighlighterLoaded, lineTokens, onHighlighterLoaded } from "./syntax-highlight";

interface DiffViewProps {
  readonly files: readonly FileDiff[];
  readonly rows: readonly DiffRow[];
  readonly layout: DiffLayout;
  readonly flags: readonly Flag[];
  /** Reason given when the flags were cleared; null when they were not. */
  readonly cleared: string | null;
  readonly onClear: (() => void) | null;
  readonly selection: DiffSelection | null;
  readonly folded: ReadonlySet<string>;
  readonly onFold: (path: string) => void;
  /** Open a folded hunk, a gap, or all gaps of a file. */
  readonly onOpen: (key: string, path: string) => void;
  /** Link that opens a file in the reader's editor; null where there is none. */
  readonly editorLink: (path: string) => string | null;
  /** How many variations make the changes that are folded. */
  readonly commonTo: number;
  /** Begin a comment; null where no agent can get one. */
  readonly onComment: ((row: LineRow, sideName: SideName, path: string) => void) | null;
  readonly renderComment: (id: string) => ReactNode;
  /** Key of the row at which keyboard commands act. */
  readonly current: string | null;
  readonly listRef: Ref<WindowVirtualizerHandle>;
}

const LINE_HEIGHT = 20;

/** Diff of any length. Only visible rows are in the document. */
export function DiffView(props: DiffViewProps) {
  const subscribe = useCallback(onHighlighterLoaded, []);
  const highlighted = useSyncExternalStore(subscribe, isHighlighterLoaded);
  const { rows, listRef } = props;
  const flags = useMemo(() => flagsByPlace(props.flags), [props.flags]);
  return (
    <div className={styles.diff} data-layout={props.layout}>
      <WindowVirtualizer ref={listRef} data={rows} itemSize={LINE_HEIGHT} bufferSize={400}>
        {(row) => (
          <DiffRowView
            key={row.key}
            row={row}
            diff={props}
            flags={flags}
            highlighted={highlighted}
          />
        )}
      </WindowVirtualizer>
    </div>
  );
}

type FlagsByPlace = ReadonlyMap<string, readonly Flag[]>;

/** Return the key of flags: `path` for a whole file, `path#hunk` for a hunk. */
function flagPlace(path: string, hunk: number | null): string {
  return hunk === null ? path : `${path}#${hunk}`;
}

function flagsByPlace(flags: readonly Flag[]): FlagsByPlace {
  const found = new Map<string, Flag[]>();
  for (const flag of flags) {
    const place = flagPlace(flag.path, flag.hunk ?? null);
    found.set(place, [...(found.get(place) ?? []), flag]);
  }
  return found;
}

interface RowProps {
  readonly row: DiffRow;
  readonly diff: DiffViewProps;
  readonly flags: FlagsByPlace;
  readonly highlighted: boolean;
}

function DiffRowView({ row, diff, flags, highlighted }: RowProps): ReactNode {
  const file = diff.files[row.file];
  if (!file) return null;
  const notes = (hunk: number | null) =>
    flags
      .get(flagPlace(file.path, hunk))
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
        <FileHeader
          file={file}
          selection={diff.selection}
          isFolded={diff.folded.has(file.path)}
          onFold={diff.onFold}
          onOpen={() => diff.onOpen(wholeFileKey(file.path), file.path)}
          isCurrent={diff.current === row.key}
          editorLink={diff.editorLink(file.path)}
        />
        {!diff.folded.has(file.path) && notes(null)}
      </>
    );
  }
  if (row.type === "note") return <p className={styles.note}>{row.text}</p>;
  if (row.type === "comment") return diff.renderComment(row.comment);
  if (row.type === "gap")
    return <GapButton row={row} onOpen={() => diff.onOpen(row.key, file.path)} />;
  if (row.type === "hunk") {
    return (
      <>
        <HunkHeader
          file={file}
          hunk={row.hunk}
          selection={diff.selection}
          isCurrent={diff.current === row.key}
          commonTo={row.isFolded ? diff.commonTo : null}
          onOpen={() => diff.onOpen(row.key, file.path)}
        />
        {notes(row.hunk)}
      </>
    );
  }
  return (
    <DiffLineView
      row={row}
      file={file}
      layout={diff.layout}
      highlighted={highlighted}
      onComment={diff.onComment}
    />
  );
}

interface DiffLineProps {
  readonly row: LineRow;
  readonly file: FileDiff;
  readonly layout: DiffLayout;
  readonly highlighted: boolean;
  readonly onComment: DiffViewProps["onComment"];
}

const DiffLineView = memo(function DiffLineView({ row, file, layout, onComment }: DiffLineProps) {
  const { oldSide, newSide } = row;
  if (layout === "split") {
    return (
      <div className={styles.pair}>
        <DiffLineHalf side={oldSide} sideName="old" row={row} file={file} onComment={onComment} />
        <DiffLineHalf side={newSide} sideName="new" row={row} file={file} onComment={onComment} />
      </div>
    );
  }
  const side = newSide ?? oldSide;
  const kind = side?.line.kind ?? "context";
  return (
    <div className={styles.line} data-kind={kind}>
      <LineNumber side={oldSide} sideName="old" row={row} file={file} onComment={onComment} />
      <LineNumber side={newSide} sideName="new" row={row} file={file} onComment={onComment} />
      <ChangeMark kind={kind} />
      <LineCode
        side={side}
        sideName={newSide ? "new" : "old"}
        row={row}
        file={file}
        onComment={onComment}
      />
    </div>
  );
});

interface CodeProps {
  readonly side: LineSide | null;
  readonly sideName: SideName;
  readonly row: LineRow;
  readonly file: FileDiff;
  readonly onComment: DiffViewProps["onComment"];
}

/** Number of a line; a click begins a comment. The keyboard has a command for it instead. */
function LineNumber({ side, sideName, row, file, onComment }: CodeProps) {
  if (!side || !onComment) return <span className={styles.number}>{side?.number}</span>;
  return (
    <button
      type="button"
      tabIndex={-1}
      className={styles.number}
      aria-label={`Comment on line ${side.number}`}
      onClick={() => onComment(row, sideName, file.path)}
    >
      {side.number}
    </button>
  );
}

function DiffLineHalf(code: CodeProps) {
  const kind = code.side?.line.kind ?? "nothing";
  return (
    <div className={styles.half} data-kind={kind}>
      <LineNumber {...code} />
      <ChangeMark kind={kind} />
      <LineCode {...code} />
    </div>
  );
}

const MARKS: Readonly<Record<string, string>> = { added: "+", removed: "−" };

function ChangeMark({ kind }: { kind: string }) {
  return <span className={styles.mark}>{MARKS[kind] ?? " "}</span>;
}

function LineCode({ side, sideName, row, file }: CodeProps) {
  const hunk = typeof row.hunk === "number" ? file.hunks[row.hunk] : row.hunk;
  if (!side || !hunk) return <span className={styles.code} />;
  const { line } = side;
  const parts = markChanges(
    lineTokens(file, hunk, sideName, side.index),
    sideRanges(side, sideName),
  );
  return (
    <span className={styles.code}>
      {parts.map((part, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: the pieces of one line
        <span key={index} className={tokenClass(part.scope, part.changed)}>
          {index === parts.length - 1 ? lineEnd(part.text, line.kind) : part.text}
        </span>
      ))}
      {!line.newline && <span className={styles.noNewline}> ⏎̸ no newline at end of file</span>}
    </span>
  );
}

/** Return the end of a line. A carriage return is shown, as by git, where the line has changed. */
function lineEnd(text: string, kind: string): string {
  return kind === "context" ? text.replace(/\r$/, "") : text;
}

function sideRanges({ line, partner }: LineSide, sideName: "old" | "new"): TextRanges {
  if (partner === null) return [];
  if (sideName === "old") return changedWords(line.text, partner.text)?.oldRanges ?? [];
  return changedWords(partner.text, line.text)?.newRanges ?? [];
}

function tokenClass(scope: string | null, changed: boolean): string | undefined {
  const names = [scope === null ? undefined : syntax[scope], changed ? styles.changed : undefined];
  return names.filter(Boolean).join(" ") || undefined;
}
