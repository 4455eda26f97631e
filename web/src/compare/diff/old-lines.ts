/** Lines of a file on the old side of a diff, made from the base and the diff of that side. */
import type { FileDiff } from "../../api/schema.gen";
import { hunkStart } from "./gap-rows";

/** Return a file's lines after a change. */
export function applyChange(
  base: readonly string[],
  change: FileDiff | undefined,
): readonly string[] {
  const lines: string[] = [];
  let at = 0;
  for (const hunk of change?.hunks ?? []) {
    const start = hunkStart(hunk);
    lines.push(...base.slice(at, start));
    for (const line of hunk.lines) if (line.kind !== "removed") lines.push(line.text);
    at = start + hunk.old_lines;
  }
  return [...lines, ...base.slice(at)];
}
