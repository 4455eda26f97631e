/** What is taken from several variations, to be put together to a new one. Pure. */
import type { ComposedPart, FileDiff } from "../api/schema.gen";

export type Tray = readonly ComposedPart[];

export function isTaken(tray: Tray, variation: number, path: string, hunk: number | null): boolean {
  const part = find(tray, variation, path);
  if (!part) return false;
  return part.hunks == null || (hunk !== null && part.hunks.includes(hunk));
}

function find(tray: Tray, variation: number, path: string): ComposedPart | undefined {
  return tray.find((part) => part.variation_id === variation && part.path === path);
}

/** Take a file whole, or put it back. */
export function toggleFile(tray: Tray, variation: number, path: string): Tray {
  const rest = tray.filter((part) => part.variation_id !== variation || part.path !== path);
  return isTaken(tray, variation, path, null)
    ? rest
    : [...rest, { variation_id: variation, path, hunks: null }];
}

/** Take one hunk, or put it back. All hunks of a file are the file. */
export function toggleHunk(tray: Tray, variation: number, file: FileDiff, hunk: number): Tray {
  const part = find(tray, variation, file.path);
  const rest = tray.filter((each) => each !== part);
  const all = file.hunks.map((_, index) => index);
  const had = !part ? [] : (part.hunks ?? all);
  const hunks = had.includes(hunk)
    ? had.filter((each) => each !== hunk)
    : [...had, hunk].toSorted((a, b) => a - b);
  if (hunks.length === 0) return rest;
  const taken = hunks.length === all.length ? null : hunks;
  return [...rest, { variation_id: variation, path: file.path, hunks: taken }];
}

export interface Share {
  readonly variation: number;
  readonly files: number;
  readonly hunks: number;
}

/** How much is taken of each variation. */
export function shares(tray: Tray): readonly Share[] {
  const numbers = [...new Set(tray.map((part) => part.variation_id))].toSorted((a, b) => a - b);
  return numbers.map((variation) => {
    const parts = tray.filter((part) => part.variation_id === variation);
    return {
      variation,
      files: parts.filter((part) => part.hunks == null).length,
      hunks: parts.reduce((sum, part) => sum + (part.hunks?.length ?? 0), 0),
    };
  });
}

/** A tray as it was kept, if it is one. */
export function readTray(text: string | null): Tray {
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
