import { useMemo, useRef, useState } from "react";
import type { WindowVirtualizerHandle } from "virtua";
import type { FileDiff, RunDetails } from "../api/schema.gen";
import { setQuery, useQueryValue } from "../app/router";
import { plural } from "../ui/format";
import { Empty, Failed, Skeleton } from "../ui/states";
import styles from "./code.module.css";
import type { Column } from "./columns";
import { between } from "./diff/between";
import { DiffView } from "./diff/diff-view";
import { type Look, rowsOf } from "./diff/rows";
import type { Taking } from "./diff/selection";
import { fileMap } from "./filemap";
import { FileMap } from "./filemap-view";
import { isOpen } from "./names";
import { BASE, Toolbar } from "./toolbar";
import { useDiffs } from "./use-diffs";
import type { TrayState } from "./use-tray";
import { useWalk } from "./use-walk";

interface Props {
  readonly details: RunDetails;
  readonly columns: readonly Column[];
  readonly tray: TrayState;
  readonly onClear: (number: number) => void;
}

/** The code: who changed which file, and the lines, between the base and a variation or between two of them. */
export function Code({ details, columns, tray, onClear }: Props) {
  const [from, to] = useEnds(details, columns);
  const [look, setLook] = useLook();
  const numbers = columns.map((column) => column.number);
  const read = useDiffs(details, [
    ...new Set([...numbers, from, to].filter((number) => number !== BASE)),
  ]);
  const map = useMemo(() => fileMap(columns, read.diffs), [columns, read.diffs]);
  const files = useMemo(() => filesOf(read.diffs, from, to), [read.diffs, from, to]);
  const [path] = useQueryValue("file");

  if (numbers.length === 0) return <Empty title="Nothing to compare yet" />;
  if (read.error) return <Failed error={read.error} />;
  return (
    <>
      <FileMap
        map={map}
        columns={columns}
        variation={to}
        path={path}
        onOpen={(number, file) => setQuery({ to: String(number), from: null, file })}
      />
      <Toolbar details={details} from={from} to={to} look={look} onLook={setLook} />
      {files === null || files.length === 0 ? (
        <NoLines
          from={from}
          to={to}
          isPending={files === null && read.isPending}
          isRead={files !== null}
        />
      ) : (
        <Diff
          key={`${from}-${to}`}
          files={files}
          look={look}
          details={details}
          to={to}
          taking={from === BASE && details.imported_at === null ? takingOf(tray, to, files) : null}
          isPlain={from !== BASE}
          onClear={onClear}
        />
      )}
    </>
  );
}

interface NoLinesProps {
  readonly from: number;
  readonly to: number;
  readonly isPending: boolean;
  readonly isRead: boolean;
}

function NoLines({ from, to, isPending, isRead }: NoLinesProps) {
  if (isPending) return <Skeleton />;
  if (!isRead) return <Empty title={`Variation ${to} has no change to show`} />;
  return (
    <Empty title={from === BASE ? "No changes: the tree is as it was" : "These two are the same"} />
  );
}

function filesOf(diffs: ReadonlyMap<number, readonly FileDiff[]>, from: number, to: number) {
  const [one, other] = [diffs.get(from), diffs.get(to)];
  if (!other) return null;
  if (from === BASE) return other;
  return one ? between(one, other) : null;
}

/** What is compared with what, in the address. */
function useEnds(details: RunDetails, columns: readonly Column[]): [number, number] {
  const [from] = useQueryValue("from");
  const [to] = useQueryValue("to");
  const isThere = (number: number) => details.variations.some((each) => each.number === number);
  const first =
    details.ranking?.recommended ?? columns.find(({ variation }) => variation.verdict)?.number ?? 1;
  const end = isThere(Number(to)) ? Number(to) : first;
  const start = isThere(Number(from)) && Number(from) !== end ? Number(from) : BASE;
  return [start, end];
}

/** From this width on, both sides of a diff fit beside each other. */
const WIDE_PX = 1200;

function useLook(): [Look, (look: Look) => void] {
  const [value, setValue] = useQueryValue("view");
  if (value === "split" || value === "unified") return [value, setValue];
  return [innerWidth >= WIDE_PX ? "split" : "unified", setValue];
}

function takingOf(tray: TrayState, variation: number, files: readonly FileDiff[]): Taking {
  return {
    isTaken: (path, hunk) => tray.isTaken(variation, path, hunk),
    toggle: (path, hunk) => {
      const file = files.find((each) => each.path === path);
      if (file) tray.toggle(variation, file, hunk);
    },
  };
}

interface DiffProps {
  readonly files: readonly FileDiff[];
  readonly look: Look;
  readonly details: RunDetails;
  readonly to: number;
  readonly taking: Taking | null;
  /** Between two variations: their flags are about the base, not about this. */
  readonly isPlain: boolean;
  readonly onClear: (number: number) => void;
}

function Diff({ files, look, details, to, taking, isPlain, onClear }: DiffProps) {
  const [folded, setFolded] = useState<ReadonlySet<string>>(new Set());
  const rows = useMemo(() => rowsOf(files, look, folded), [files, look, folded]);
  const list = useRef<WindowVirtualizerHandle>(null);
  const fold = (path: string) => {
    const next = new Set(folded);
    if (!next.delete(path)) next.add(path);
    setFolded(next);
  };
  const current = useWalk(rows, files, list, taking, fold);
  const variation = details.variations[to - 1];
  const flags = isPlain ? [] : (variation?.verdict?.flags ?? []);
  const lines = rows.filter((row) => row.type === "line").length;
  return (
    <section aria-label={`Changes of variation ${to}`}>
      <p className={styles.size}>{`${plural(files.length, "file")}, ${plural(lines, "line")}`}</p>
      <DiffView
        files={files}
        rows={rows}
        look={look}
        flags={flags}
        cleared={variation?.cleared ?? null}
        onClear={isOpen(details) ? () => onClear(to) : null}
        taking={taking}
        folded={folded}
        onFold={fold}
        current={current}
        listRef={list}
      />
    </section>
  );
}
