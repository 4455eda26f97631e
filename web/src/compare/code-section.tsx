import { useMemo, useRef, useState } from "react";
import type { WindowVirtualizerHandle } from "virtua";
import type { FileDiff, RunDetails } from "../api/schema.gen";
import { setQueryValues, useQueryValue } from "../app/router";
import { pluralize } from "../ui/format";
import { EmptyState, LoadError, LoadingSkeleton } from "../ui/page-states";
import styles from "./code-section.module.css";
import type { Column } from "./columns";
import { BASE, useComparedTrees, useDiffLayout } from "./compared-trees";
import { diffBetween } from "./diff/diff-between";
import { buildDiffRows, type DiffLayout, showRenames } from "./diff/diff-rows";
import type { DiffSelection } from "./diff/diff-selection";
import { DiffView } from "./diff/diff-view";
import { DiffToolbar } from "./diff-toolbar";
import { buildFileMap } from "./file-map";
import { FileMapTable } from "./file-map-table";
import type { CompositionState } from "./use-composition";
import { useDiffNavigation } from "./use-diff-navigation";
import { useDiffs } from "./use-diffs";
import { canChoose } from "./variation-facts";

interface Props {
  readonly details: RunDetails;
  readonly columns: readonly Column[];
  readonly composition: CompositionState;
  readonly onClear: (number: number) => void;
}

/**
 * Code of a comparison: the map of changed files, and the diff between the base and a variation or
 * between two variations.
 */
export function CodeSection({ details, columns, composition, onClear }: Props) {
  const [from, to] = useComparedTrees(details, columns);
  const [layout] = useDiffLayout();
  const numbers = columns.map((column) => column.number);
  const read = useDiffs(details, [
    ...new Set([...numbers, from, to].filter((number) => number !== BASE)),
  ]);
  const map = useMemo(() => buildFileMap(columns, read.diffs), [columns, read.diffs]);
  const files = useMemo(() => diffFiles(read.diffs, from, to), [read.diffs, from, to]);
  const [path] = useQueryValue("file");

  if (numbers.length === 0) return <EmptyState title="Nothing to compare yet" />;
  if (read.error) return <LoadError error={read.error} />;
  return (
    <>
      <FileMapTable
        map={map}
        columns={columns}
        variation={to}
        path={path}
        onOpen={(number, file) => setQueryValues({ to: String(number), from: null, file })}
      />
      <DiffToolbar details={details} from={from} to={to} />
      {files === null || files.length === 0 ? (
        <NoDiff
          from={from}
          to={to}
          isPending={files === null && read.isPending}
          isRead={files !== null}
        />
      ) : (
        <VariationDiff
          key={`${from}-${to}`}
          files={files}
          layout={layout}
          details={details}
          to={to}
          selection={
            from === BASE && details.imported_at === null
              ? diffSelection(composition, to, files)
              : null
          }
          isBetweenVariations={from !== BASE}
          onClear={onClear}
        />
      )}
    </>
  );
}

interface NoDiffProps {
  readonly from: number;
  readonly to: number;
  readonly isPending: boolean;
  readonly isRead: boolean;
}

function NoDiff({ from, to, isPending, isRead }: NoDiffProps) {
  if (isPending) return <LoadingSkeleton />;
  if (!isRead) return <EmptyState title={`Variation ${to} has no changes to show`} />;
  return <EmptyState title={from === BASE ? "No changes" : "These variations are identical"} />;
}

function diffFiles(diffs: ReadonlyMap<number, readonly FileDiff[]>, from: number, to: number) {
  const [one, other] = [diffs.get(from), diffs.get(to)];
  if (!other) return null;
  if (from === BASE) return showRenames(other);
  return one ? diffBetween(one, other) : null;
}

function diffSelection(
  composition: CompositionState,
  variation: number,
  files: readonly FileDiff[],
): DiffSelection {
  return {
    isSelected: (path, hunk) => composition.includes(variation, path, hunk),
    toggle: (path, hunk) => {
      const file = files.find((each) => each.path === path);
      if (file) composition.toggle(variation, file, hunk);
    },
  };
}

interface VariationDiffProps {
  readonly files: readonly FileDiff[];
  readonly layout: DiffLayout;
  readonly details: RunDetails;
  readonly to: number;
  readonly selection: DiffSelection | null;
  /** Flags refer to the diff against the base, so a diff between variations has none. */
  readonly isBetweenVariations: boolean;
  readonly onClear: (number: number) => void;
}

function VariationDiff({
  files,
  layout,
  details,
  to,
  selection,
  isBetweenVariations,
  onClear,
}: VariationDiffProps) {
  const [folded, setFolded] = useState<ReadonlySet<string>>(new Set());
  const rows = useMemo(() => buildDiffRows(files, layout, folded), [files, layout, folded]);
  const list = useRef<WindowVirtualizerHandle>(null);
  const fold = (path: string) => {
    const next = new Set(folded);
    if (!next.delete(path)) next.add(path);
    setFolded(next);
  };
  const current = useDiffNavigation(rows, files, list, selection, fold);
  const variation = details.variations[to - 1];
  const flags = isBetweenVariations ? [] : (variation?.verdict?.flags ?? []);
  const lines = rows.filter((row) => row.type === "line").length;
  return (
    <section aria-label={`Changes of variation ${to}`}>
      <p className={styles.size}>
        {pluralize(files.length, "file")}, {pluralize(lines, "line")}
      </p>
      <DiffView
        files={files}
        rows={rows}
        layout={layout}
        flags={flags}
        cleared={variation?.cleared ?? null}
        onClear={canChoose(details) ? () => onClear(to) : null}
        selection={selection}
        folded={folded}
        onFold={fold}
        current={current}
        listRef={list}
      />
    </section>
  );
}
