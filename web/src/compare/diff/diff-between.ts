/**
 * Exact diff between two variations, computed from their diffs against the common base. Where one
 * of the diffs has no hunk, that variation has the base's lines, and the hunks of the other diff
 * show those.
 */
import type { DiffLine, FileDiff, Hunk } from "../../api/schema.gen";
import { NOT_RENAMED } from "./diff-rows";
import { hunkStart } from "./gap-rows";
import { editScript, toHunks as hunksOf } from "./myers-diff";

interface Region {
  /** First line of the base, from 0, and the end (exclusive). */
  start: number;
  end: number;
}

/** Return the diff that turns the tree of variation A into that of variation B. */
export function diffBetween(a: readonly FileDiff[], b: readonly FileDiff[]): readonly FileDiff[] {
  const paths = [...new Set([...a, ...b].map((file) => file.path))].toSorted();
  return paths.flatMap((path) => {
    const merged = compareFile(
      path,
      a.filter((file) => file.path === path),
      b.filter((file) => file.path === path),
    );
    return merged ? [merged] : [];
  });
}

function compareFile(
  path: string,
  a: readonly FileDiff[],
  b: readonly FileDiff[],
): FileDiff | null {
  const all = [...a, ...b];
  const onBase = all.find((file) => file.status !== "added");
  const [old_mode, new_mode] = [modeOf(a, onBase), modeOf(b, onBase)];
  if (old_mode === null && new_mode === null) return null;
  const status = statusOf(old_mode, new_mode);
  const facts = { ...NOT_RENAMED, path, status, old_mode, new_mode };
  // A file that became a link is a removal and an addition. The lines of binary files are unknown.
  const isOpaque = all.some((file) => file.binary) || Math.max(a.length, b.length) > 1;
  if (isOpaque) return isSame(a, b) ? null : { ...facts, binary: true, hunks: [] };
  const hunks = hunksBetween(a[0]?.hunks ?? [], b[0]?.hunks ?? []);
  return hunks.length === 0 && old_mode === new_mode ? null : { ...facts, binary: false, hunks };
}

function statusOf(oldMode: string | null, newMode: string | null): FileDiff["status"] {
  if (oldMode === null) return "added";
  return newMode === null ? "removed" : "modified";
}

/** Return the file's mode on one side; null where it does not exist. */
function modeOf(side: readonly FileDiff[], onBase: FileDiff | undefined): string | null {
  const last = side.at(-1);
  return last ? last.new_mode : (onBase?.old_mode ?? null);
}

/**
 * Whether both sides changed the file in the same way. Binary files count as different, since their
 * content is unknown.
 */
function isSame(a: readonly FileDiff[], b: readonly FileDiff[]): boolean {
  return [...a, ...b].every((file) => !file.binary) && JSON.stringify(a) === JSON.stringify(b);
}

function hunksBetween(a: readonly Hunk[], b: readonly Hunk[]): readonly Hunk[] {
  const base = baseLines([...a, ...b]);
  return baseRegions([...a, ...b]).flatMap((region) => {
    const lines = editScript(regionContent(region, a, base), regionContent(region, b, base));
    return hunksOf(
      lines,
      region.start + lineOffset(region, a) + 1,
      region.start + lineOffset(region, b) + 1,
    );
  });
}

function baseLines(all: readonly Hunk[]): ReadonlyMap<number, DiffLine> {
  const base = new Map<number, DiffLine>();
  for (const hunk of all) {
    let at = hunkStart(hunk);
    for (const line of hunk.lines) if (line.kind !== "added") base.set(at++, line);
  }
  return base;
}

/** Return the regions of the base that either side shows; touching regions are merged. */
function baseRegions(all: readonly Hunk[]): readonly Region[] {
  const merged: Region[] = [];
  for (const hunk of all.toSorted((x, y) => hunkStart(x) - hunkStart(y))) {
    const [start, end] = [hunkStart(hunk), hunkStart(hunk) + hunk.old_lines];
    const last = merged.at(-1);
    if (last && start <= last.end) last.end = Math.max(last.end, end);
    else merged.push({ start, end });
  }
  return merged;
}

/** Return the lines that one side has in place of a region. */
function regionContent(
  region: Region,
  side: readonly Hunk[],
  base: ReadonlyMap<number, DiffLine>,
): readonly DiffLine[] {
  const lines: DiffLine[] = [];
  let at = region.start;
  const keep = (until: number) => {
    for (; at < until; at += 1) {
      const line = base.get(at);
      if (line) lines.push(line);
    }
  };
  for (const hunk of side) {
    const start = hunkStart(hunk);
    if (start < region.start || start + hunk.old_lines > region.end) continue;
    keep(start);
    lines.push(...hunk.lines.filter((line) => line.kind !== "removed"));
    at = start + hunk.old_lines;
  }
  keep(region.end);
  return lines;
}

/** Return how many lines a side has more than the base before a region. */
function lineOffset(region: Region, side: readonly Hunk[]): number {
  return side
    .filter(
      (hunk) => hunkStart(hunk) + hunk.old_lines <= region.start && hunkStart(hunk) < region.start,
    )
    .reduce((sum, hunk) => sum + hunk.new_lines - hunk.old_lines, 0);
}
