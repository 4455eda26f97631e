/** Composition of a run, kept in the session storage of the tab so that it survives a reload. */
import { useState } from "react";
import type { FileDiff } from "../api/schema.gen";
import {
  type ComposedParts,
  includesPart,
  parseComposition,
  toggleFile,
  toggleHunk,
} from "./composition";

export interface CompositionState {
  readonly parts: ComposedParts;
  readonly includes: (variation: number, path: string, hunk: number | null) => boolean;
  readonly toggle: (variation: number, file: FileDiff, hunk: number | null) => void;
  readonly clear: () => void;
}

export function useComposition(runId: string): CompositionState {
  const key = `tray ${runId}`;
  const [parts, setParts] = useState<ComposedParts>(() => parseComposition(readStorage(key)));
  const set = (next: ComposedParts) => {
    setParts(next);
    writeStorage(key, JSON.stringify(next));
  };
  return {
    parts,
    includes: (variation, path, hunk) => includesPart(parts, variation, path, hunk),
    toggle: (variation, file, hunk) =>
      set(
        hunk === null
          ? toggleFile(parts, variation, file.path)
          : toggleHunk(parts, variation, file, hunk),
      ),
    clear: () => set([]),
  };
}

function readStorage(key: string): string | null {
  try {
    return sessionStorage.getItem(key);
  } catch {
    return null; // the browser may refuse storage
  }
}

function writeStorage(key: string, value: string): void {
  try {
    sessionStorage.setItem(key, value);
  } catch {
    // The browser may refuse storage; the composition then lasts until the page is left.
  }
}
