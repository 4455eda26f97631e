/** Map of files × variations: who changed which file, and which changes are identical. */
import type { FileDiff } from "../api/schema.gen";
import type { Column } from "./columns";
import { type DiffSize, diffSize } from "./diff/diff-rows";

export interface FileMapCell extends DiffSize {
  readonly variation: number;
  readonly file: FileDiff;
  /** Variations with the identical change of this file, including this one. */
  readonly sameIn: readonly number[];
}

export interface FileMapRow {
  readonly path: string;
  /** One cell per column; null where the variation does not change the file. */
  readonly cells: readonly (FileMapCell | null)[];
}

/**
 * Build the map.
 *
 * @param diffs Diffs by variation; a variation whose diff is not loaded has no cells.
 */
export function buildFileMap(
  columns: readonly Column[],
  diffs: ReadonlyMap<number, readonly FileDiff[]>,
): readonly FileMapRow[] {
  const paths = new Set(
    columns.flatMap(({ number }) => diffs.get(number)?.map((file) => file.path) ?? []),
  );
  return [...paths].toSorted().map((path) => {
    const byVariation = columns.map(({ number }) => {
      const files = diffs.get(number)?.filter((file) => file.path === path) ?? [];
      return { number, files, content: JSON.stringify(files) };
    });
    return { path, cells: byVariation.map((each) => fileCell(each, byVariation)) };
  });
}

interface VariationFiles {
  readonly number: number;
  readonly files: readonly FileDiff[];
  readonly content: string;
}

function fileCell(
  { number, files, content }: VariationFiles,
  all: readonly VariationFiles[],
): FileMapCell | null {
  const file = files.at(-1);
  if (!file) return null;
  const sizes = files.map(diffSize);
  // The content of binary files is unknown, so they are never identical.
  const sameIn = file.binary
    ? [number]
    : all.filter((each) => each.content === content).map((e) => e.number);
  return {
    variation: number,
    file,
    sameIn,
    additions: sizes.reduce((sum, size) => sum + size.additions, 0),
    deletions: sizes.reduce((sum, size) => sum + size.deletions, 0),
  };
}
