import { useMemo } from "react";
import type { FileDiff, RunDetails } from "../api/schema.gen";
import { setQueryValues, useQueryValue } from "../app/router";
import type { RunStream } from "../stream/run-stream";
import { EmptyState, LoadError, LoadingSkeleton } from "../ui/page-states";
import type { Column } from "./columns";
import { commonChanges } from "./common-changes";
import { BASE, useComparedTrees, useDiffLayout } from "./compared-trees";
import { diffBetween } from "./diff/diff-between";
import { showRenames } from "./diff/diff-rows";
import type { DiffSelection } from "./diff/diff-selection";
import { DiffToolbar } from "./diff-toolbar";
import { useEditor } from "./editor-link";
import { buildFileMap } from "./file-map";
import { FileMapTable } from "./file-map-table";
import { ReviewBar } from "./review/review-bar";
import { useReview } from "./review/use-review";
import type { CompositionState } from "./use-composition";
import { useDiffs } from "./use-diffs";
import { VariationDiff } from "./variation-diff";

interface Props {
  readonly details: RunDetails;
  readonly columns: readonly Column[];
  readonly composition: CompositionState;
  readonly onClear: (number: number) => void;
  readonly stream: RunStream;
}

/**
 * Code of a comparison: the map of changed files, and the diff between the base and a variation or
 * between two variations.
 */
export function CodeSection({ details, columns, composition, onClear, stream }: Props) {
  const [from, to] = useComparedTrees(details, columns);
  const [layout] = useDiffLayout();
  const numbers = columns.map((column) => column.number);
  const read = useDiffs(details, [
    ...new Set([...numbers, from, to].filter((number) => number !== BASE)),
  ]);
  const map = useMemo(() => buildFileMap(columns, read.diffs), [columns, read.diffs]);
  const files = useMemo(() => diffFiles(read.diffs, from, to), [read.diffs, from, to]);
  const common = useMemo(() => commonChanges([...read.diffs.values()]), [read.diffs]);
  const review = useReview(details, stream);
  const [path] = useQueryValue("file");
  const [editor, setEditor] = useEditor();

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
      <DiffToolbar details={details} from={from} to={to} editor={editor} onEditor={setEditor} />
      <ReviewBar details={details} diffs={read.diffs} review={review} />
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
          from={from}
          to={to}
          selection={
            from === BASE && details.imported_at === null
              ? diffSelection(composition, to, files)
              : null
          }
          onClear={onClear}
          diffs={read.diffs}
          common={common}
          review={review}
          editor={editor}
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
