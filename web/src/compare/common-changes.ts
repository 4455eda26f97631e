/**
 * What several variations change alike. A change is a block of removed and added lines at one place
 * of the base; context lines are not compared, since they depend on what else changes nearby.
 */
import type { FileDiff, Hunk } from "../api/schema.gen";

export interface ChangeBlock {
  readonly path: string;
  /** Line of the base, from 1, before which the added lines stand. */
  readonly start: number;
  readonly removed: readonly string[];
  readonly added: readonly string[];
}

/** Return the blocks of one hunk. */
export function changeBlocks(path: string, hunk: Hunk): readonly ChangeBlock[] {
  const blocks: ChangeBlock[] = [];
  let block: { start: number; removed: string[]; added: string[] } | null = null;
  let at = hunk.old_start;
  for (const line of hunk.lines) {
    if (line.kind === "context") {
      if (block) blocks.push({ path, ...block });
      block = null;
      at += 1;
      continue;
    }
    block ??= { start: at, removed: [], added: [] };
    block[line.kind].push(line.text);
    if (line.kind === "removed") at += 1;
  }
  if (block) blocks.push({ path, ...block });
  return blocks;
}

function blockKey(block: ChangeBlock): string {
  return JSON.stringify([block.path, block.start, block.removed, block.added]);
}

export interface CommonChanges {
  /** How many diffs have them. */
  readonly variations: number;
  readonly blocks: readonly ChangeBlock[];
  /** Whether every change of a hunk is common to all. */
  readonly includesHunk: (path: string, hunk: Hunk) => boolean;
}

/** Return the changes that all of the diffs have; none for fewer than two diffs. */
export function commonChanges(diffs: readonly (readonly FileDiff[])[]): CommonChanges {
  const [first, ...others] = diffs.map(blocksByKey);
  const common = new Map<string, ChangeBlock>();
  if (first && others.length > 0)
    for (const [key, block] of first)
      if (others.every((other) => other.has(key))) common.set(key, block);
  return {
    variations: diffs.length,
    blocks: [...common.values()],
    includesHunk: (path, hunk) => {
      const blocks = changeBlocks(path, hunk);
      return blocks.length > 0 && blocks.every((block) => common.has(blockKey(block)));
    },
  };
}

function blocksByKey(files: readonly FileDiff[]): ReadonlyMap<string, ChangeBlock> {
  const found = new Map<string, ChangeBlock>();
  for (const file of files)
    for (const hunk of file.hunks)
      for (const block of changeBlocks(file.path, hunk)) found.set(blockKey(block), block);
  return found;
}
