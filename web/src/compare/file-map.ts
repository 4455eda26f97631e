/** Files × variations: who changed what, and where they did the very same. Pure. */
import type { FileDiff } from "../api/schema.gen";
import type { Column } from "./columns";
import { type DiffSize, diffSize } from "./diff/diff-rows";

export interface FileMapCell extends DiffSize {
  readonly variation: number;
  readonly file: FileDiff;
  /** All that changed this file in the same way, itself included. */
  readonly alike: readonly number[];
}

export interface FileMapRow {
  readonly path: string;
  /** One for each column; null where the variation leaves the file as it is. */
  readonly cells: readonly (FileMapCell | null)[];
}

/** @param diffs By variation; one that is not there yet has no cells. */
export function buildFileMap(
  columns: readonly Column[],
  diffs: ReadonlyMap<number, readonly FileDiff[]>,
): readonly FileMapRow[] {
  const paths = new Set(
    columns.flatMap(({ number }) => diffs.get(number)?.map((file) => file.path) ?? []),
  );
  return [...paths].toSorted().map((path) => {
    const found = columns.map(({ number }) => {
      const files = diffs.get(number)?.filter((file) => file.path === path) ?? [];
      return { number, files, content: JSON.stringify(files) };
    });
    return { path, cells: found.map((each) => cellOf(each, found)) };
  });
}

interface VariationFiles {
  readonly number: number;
  readonly files: readonly FileDiff[];
  readonly content: string;
}

function cellOf(
  { number, files, content }: VariationFiles,
  all: readonly VariationFiles[],
): FileMapCell | null {
  const file = files.at(-1);
  if (!file) return null;
  const sizes = files.map(diffSize);
  // Of a binary file no content is known, so nobody can say that two are the same.
  const alike = file.binary
    ? [number]
    : all.filter((each) => each.content === content).map((e) => e.number);
  return {
    variation: number,
    file,
    alike,
    additions: sizes.reduce((sum, size) => sum + size.additions, 0),
    deletions: sizes.reduce((sum, size) => sum + size.deletions, 0),
  };
}
