import { useMemo, useRef, useState } from "react";
import type { WindowVirtualizerHandle } from "virtua";
import type { FileDiff, RunDetails } from "../api/schema.gen";
import { formatThousands, pluralize } from "../ui/format";
import styles from "./code-section.module.css";
import type { CommonChanges } from "./common-changes";
import { BASE } from "./compared-trees";
import { buildDiffRows } from "./diff/diff-rows";
import type { DiffSelection } from "./diff/diff-selection";
import { DiffView } from "./diff/diff-view";
import type { DiffLayout, LineRow } from "./diff/row-types";
import { editorLink } from "./editor-link";
import { CommentView } from "./review/comment-view";
import { commentedLine, placeComments, type SideName } from "./review/place-comments";
import type { Review } from "./review/use-review";
import { useDiffNavigation } from "./use-diff-navigation";
import { useOldLines } from "./use-old-lines";
import { canChoose } from "./variation-facts";
import { useViewedFiles } from "./viewed-files";

interface Props {
  readonly files: readonly FileDiff[];
  readonly layout: DiffLayout;
  readonly details: RunDetails;
  readonly from: number;
  readonly to: number;
  readonly selection: DiffSelection | null;
  readonly onClear: (number: number) => void;
  readonly diffs: ReadonlyMap<number, readonly FileDiff[]>;
  readonly common: CommonChanges;
  readonly review: Review;
  readonly editor: string;
}

/** The diff between two trees, with its comments and the lines around it. */
export function VariationDiff(props: Props) {
  const { files, layout, details, from, to, selection, onClear, diffs, common, review } = props;
  const [viewed, toggleViewed] = useViewedFiles(details.id, files);
  const { rows, open } = useRows(props, viewed);
  const list = useRef<WindowVirtualizerHandle>(null);
  const comment = (row: LineRow, sideName: SideName, path: string) => {
    const line = commentedLine(row, sideName, path, { from, to, diffs });
    if (line) review.begin(line);
  };
  const current = useDiffNavigation(
    rows,
    files,
    list,
    selection,
    toggleViewed,
    canComment(details) ? comment : null,
  );
  const variation = details.variations[to - 1];
  // Flags refer to the diff against the base.
  const flags = from === BASE ? (variation?.verdict?.flags ?? []) : [];
  const lines = rows.filter((row) => row.type === "line").length;
  return (
    <section aria-label={`Changes of variation ${to}`}>
      <p className={styles.size}>
        {`${pluralize(files.length, "file")}, ${pluralize(lines, "line")}`}
        {viewed.size > 0 &&
          `; ${formatThousands(viewed.size)} of ${formatThousands(files.length)} viewed`}
      </p>
      <DiffView
        files={files}
        rows={rows}
        layout={layout}
        flags={flags}
        cleared={variation?.cleared ?? null}
        onClear={canChoose(details) ? () => onClear(to) : null}
        selection={selection}
        folded={viewed}
        onFold={toggleViewed}
        onOpen={open}
        editorLink={(path) => editorLink(props.editor, details.spec, path)}
        commonTo={common.variations}
        onComment={canComment(details) ? comment : null}
        renderComment={(id) => {
          const found = review.comments.find((each) => each.id === id);
          return (
            found && <CommentView comment={found} details={details} diffs={diffs} review={review} />
          );
        }}
        current={current}
        listRef={list}
      />
    </section>
  );
}

/** Whether an agent of the run can get a follow-up. */
function canComment(details: RunDetails): boolean {
  return details.imported_at === null;
}

/** The rows of the diff, and a function that opens one that is folded. */
function useRows(
  { files, layout, details, from, to, diffs, common, review }: Props,
  viewed: ReadonlySet<string>,
) {
  const [opened, setOpened] = useState<ReadonlyMap<string, string>>(new Map());
  const change = from === BASE ? null : (diffs.get(from) ?? null);
  const oldLines = useOldLines(details.id, [...new Set(opened.values())], change);
  // A renamed file has other lines on the base than its name says.
  const hasGaps = details.commit !== null && change?.every((each) => !each.renamed_from) !== false;
  const folded = [...viewed].join("\n");
  const plain = useMemo(
    () =>
      buildDiffRows(files, layout, {
        folded: new Set(folded.split("\n")),
        opened: new Set(opened.keys()),
        isCommon: (path, hunk) => from === BASE && common.includesHunk(path, hunk),
        oldLines: (path) => oldLines.get(path),
        hasGaps,
      }),
    [files, layout, folded, opened, oldLines, hasGaps, common, from],
  );
  const placed = review.comments.map((each) => each.id).join();
  // biome-ignore lint/correctness/useExhaustiveDependencies: where comments stand follows from which there are
  const rows = useMemo(
    () => placeComments(plain, files, review.comments, { from, to, diffs }),
    [plain, files, placed, from, to, diffs],
  );
  const open = (key: string, path: string) => setOpened(new Map(opened).set(key, path));
  return { rows, open };
}
