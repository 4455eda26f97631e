import { type RefObject, useRef, useState } from "react";
import type { WindowVirtualizerHandle } from "virtua";
import type { FileDiff } from "../api/schema.gen";
import { useKeyCommands } from "../app/key-commands";
import { useQueryValue } from "../app/router";
import type { DiffSelection } from "./diff/diff-selection";
import type { DiffRow, LineRow } from "./diff/row-types";
import type { SideName } from "./review/place-comments";

/** Height of the bars that cover the top of the page. */
const SCROLL_MARGIN = 100;

/**
 * Keyboard navigation in a diff: n/p by hunk, [/] by file, x selects the current hunk or file, m
 * marks the file as viewed, c comments on the next changed line.
 */
export function useDiffNavigation(
  rows: readonly DiffRow[],
  files: readonly FileDiff[],
  list: RefObject<WindowVirtualizerHandle | null>,
  selection: DiffSelection | null,
  fold: (path: string) => void,
  comment: ((row: LineRow, sideName: SideName, path: string) => void) | null,
): string | null {
  const [current, setCurrent] = useState<string | null>(null);
  const [path] = useQueryValue("file");
  const scrolledTo = useRef<string | null>(null);
  const at = rows.findIndex((row) => row.key === current);
  const row = rows[at];
  const go = (step: 1 | -1, type: DiffRow["type"]) => {
    for (let index = at + step; index >= 0 && index < rows.length; index += step) {
      const target = rows[index];
      if (target?.type !== type) continue;
      setCurrent(target.key);
      list.current?.scrollToIndex(index, { align: "start", offset: -SCROLL_MARGIN });
      return;
    }
  };
  // Scroll once to the file that the query parameter `file` names.
  if (path !== null && scrolledTo.current !== path) {
    scrolledTo.current = path;
    const index = rows.findIndex((each) => each.type === "file" && files[each.file]?.path === path);
    if (index >= 0)
      requestAnimationFrame(() =>
        list.current?.scrollToIndex(index, { align: "start", offset: -SCROLL_MARGIN }),
      );
  }
  useKeyCommands([
    { key: "n", description: "Next difference", run: () => go(1, "hunk") },
    { key: "p", description: "Previous difference", run: () => go(-1, "hunk") },
    { key: "]", description: "Next file", run: () => go(1, "file") },
    { key: "[", description: "Previous file", run: () => go(-1, "file") },
    {
      key: "x",
      description: "Select this hunk or file",
      run: () => {
        const file = row && files[row.file];
        if (file)
          selection?.toggle(
            file.path,
            row.type === "hunk" && file.status === "modified" ? row.hunk : null,
          );
      },
    },
    ...(comment
      ? [
          {
            key: "c",
            description: "Comment on this difference",
            run: () => {
              const line = rows.slice(Math.max(0, at)).find(isChanged);
              const file = line && files[line.file];
              if (line && file) comment(line, line.newSide ? "new" : "old", file.path);
            },
          },
        ]
      : []),
    {
      key: "m",
      description: "Mark this file as viewed",
      run: () => {
        const file = row && files[row.file];
        if (file) fold(file.path);
      },
    },
  ]);
  return current;
}

function isChanged(row: DiffRow): row is LineRow {
  return row.type === "line" && (row.newSide ?? row.oldSide)?.line.kind !== "context";
}
