/** Composition: files and hunks of several variations, to be combined into a new one. */
import type { ComposedPart, FileDiff } from "../api/schema.gen";

export type ComposedParts = readonly ComposedPart[];

export function includesPart(
  composition: ComposedParts,
  variation: number,
  path: string,
  hunk: number | null,
): boolean {
  const part = findPart(composition, variation, path);
  if (!part) return false;
  return part.hunks == null || (hunk !== null && part.hunks.includes(hunk));
}

function findPart(
  composition: ComposedParts,
  variation: number,
  path: string,
): ComposedPart | undefined {
  return composition.find((part) => part.variation_id === variation && part.path === path);
}

/** Add a whole file, or remove it. */
export function toggleFile(
  composition: ComposedParts,
  variation: number,
  path: string,
): ComposedParts {
  const rest = composition.filter((part) => part.variation_id !== variation || part.path !== path);
  return includesPart(composition, variation, path, null)
    ? rest
    : [...rest, { variation_id: variation, path, hunks: null }];
}

/** Add one hunk, or remove it. All hunks of a file are stored as the whole file. */
export function toggleHunk(
  composition: ComposedParts,
  variation: number,
  file: FileDiff,
  hunk: number,
): ComposedParts {
  const part = findPart(composition, variation, file.path);
  const rest = composition.filter((each) => each !== part);
  const all = file.hunks.map((_, index) => index);
  const selected = !part ? [] : (part.hunks ?? all);
  const hunks = selected.includes(hunk)
    ? selected.filter((each) => each !== hunk)
    : [...selected, hunk].toSorted((a, b) => a - b);
  if (hunks.length === 0) return rest;
  const stored = hunks.length === all.length ? null : hunks;
  return [...rest, { variation_id: variation, path: file.path, hunks: stored }];
}

export interface PartCount {
  readonly variation: number;
  readonly files: number;
  readonly hunks: number;
}

/** Count the selected files and hunks of each variation. */
export function partCounts(composition: ComposedParts): readonly PartCount[] {
  const numbers = [...new Set(composition.map((part) => part.variation_id))].toSorted(
    (a, b) => a - b,
  );
  return numbers.map((variation) => {
    const parts = composition.filter((part) => part.variation_id === variation);
    return {
      variation,
      files: parts.filter((part) => part.hunks == null).length,
      hunks: parts.reduce((sum, part) => sum + (part.hunks?.length ?? 0), 0),
    };
  });
}

/** Parse a stored composition; anything else gives an empty one. */
export function parseComposition(text: string | null): ComposedParts {
  try {
    const found: unknown = JSON.parse(text ?? "[]");
    return Array.isArray(found) ? found.filter(isPart) : [];
  } catch {
    return [];
  }
}

function isPart(value: unknown): value is ComposedPart {
  if (typeof value !== "object" || value === null) return false;
  const { variation_id, path, hunks } = value as Record<string, unknown>;
  const isWhole = hunks === null || (Array.isArray(hunks) && hunks.every(Number.isInteger));
  return Number.isInteger(variation_id) && typeof path === "string" && isWhole;
}
