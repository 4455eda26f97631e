/**
 * From one variation to another. Pure, and exact: both diffs are against the same base, so wherever one of them says
 * nothing it has the base's lines, and the other one's hunks show those.
 */
import type { DiffLine, FileDiff, Hunk } from "../../api/schema.gen";
import { hunks as hunksOf, script } from "./edits";

interface Region {
  /** The first line of the base in it, from 0, and the one behind it. */
  start: number;
  end: number;
}

/** What turns the tree of variation A into that of variation B. */
export function between(a: readonly FileDiff[], b: readonly FileDiff[]): readonly FileDiff[] {
  const paths = [...new Set([...a, ...b].map((file) => file.path))].toSorted();
  return paths.flatMap((path) => {
    const found = compare(
      path,
      a.filter((file) => file.path === path),
      b.filter((file) => file.path === path),
    );
    return found ? [found] : [];
  });
}

function compare(path: string, a: readonly FileDiff[], b: readonly FileDiff[]): FileDiff | null {
  const all = [...a, ...b];
  const onBase = all.find((file) => file.status !== "added");
  const [old_mode, new_mode] = [modeOf(a, onBase), modeOf(b, onBase)];
  if (old_mode === null && new_mode === null) return null;
  const facts = { path, status: statusOf(old_mode, new_mode), old_mode, new_mode };
  // A file that became a link is a removal and an addition; of binary files no lines are known.
  const isOpaque = all.some((file) => file.binary) || Math.max(a.length, b.length) > 1;
  if (isOpaque) return isAlike(a, b) ? null : { ...facts, binary: true, hunks: [] };
  const hunks = changes(a[0]?.hunks ?? [], b[0]?.hunks ?? []);
  return hunks.length === 0 && old_mode === new_mode ? null : { ...facts, binary: false, hunks };
}

function statusOf(old: string | null, now: string | null): FileDiff["status"] {
  if (old === null) return "added";
  return now === null ? "removed" : "modified";
}

/** A file's mode on one side; null where it is not there. */
function modeOf(side: readonly FileDiff[], onBase: FileDiff | undefined): string | null {
  const last = side.at(-1);
  return last ? last.new_mode : (onBase?.old_mode ?? null);
}

/** Whether two lists say the same; of binary files without lines nobody can tell, so they count as different. */
function isAlike(a: readonly FileDiff[], b: readonly FileDiff[]): boolean {
  return [...a, ...b].every((file) => !file.binary) && JSON.stringify(a) === JSON.stringify(b);
}

function changes(a: readonly Hunk[], b: readonly Hunk[]): readonly Hunk[] {
  const base = known([...a, ...b]);
  return regions([...a, ...b]).flatMap((region) => {
    const lines = script(content(region, a, base), content(region, b, base));
    return hunksOf(lines, region.start + shift(region, a) + 1, region.start + shift(region, b) + 1);
  });
}

/** Where a hunk begins in the base, from 0. One that takes no line of the base names the line before it. */
function startOf(hunk: Hunk): number {
  return hunk.old_lines === 0 ? hunk.old_start : hunk.old_start - 1;
}

function known(all: readonly Hunk[]): ReadonlyMap<number, DiffLine> {
  const base = new Map<number, DiffLine>();
  for (const hunk of all) {
    let at = startOf(hunk);
    for (const line of hunk.lines) if (line.kind !== "added") base.set(at++, line);
  }
  return base;
}

/** Stretches of the base that either side shows; those that touch are one. */
function regions(all: readonly Hunk[]): readonly Region[] {
  const found: Region[] = [];
  for (const hunk of all.toSorted((x, y) => startOf(x) - startOf(y))) {
    const [start, end] = [startOf(hunk), startOf(hunk) + hunk.old_lines];
    const last = found.at(-1);
    if (last && start <= last.end) last.end = Math.max(last.end, end);
    else found.push({ start, end });
  }
  return found;
}

/** What one side has in place of a region. */
function content(region: Region, side: readonly Hunk[], base: ReadonlyMap<number, DiffLine>): readonly DiffLine[] {
  const lines: DiffLine[] = [];
  let at = region.start;
  const keep = (until: number) => {
    for (; at < until; at += 1) {
      const line = base.get(at);
      if (line) lines.push(line);
    }
  };
  for (const hunk of side) {
    const start = startOf(hunk);
    if (start < region.start || start + hunk.old_lines > region.end) continue;
    keep(start);
    lines.push(...hunk.lines.filter((line) => line.kind !== "removed"));
    at = start + hunk.old_lines;
  }
  keep(region.end);
  return lines;
}

/** How many lines a side has more than the base, before a region. */
function shift(region: Region, side: readonly Hunk[]): number {
  return side
    .filter((hunk) => startOf(hunk) + hunk.old_lines <= region.start && startOf(hunk) < region.start)
    .reduce((sum, hunk) => sum + hunk.new_lines - hunk.old_lines, 0);
}
