/** The tray of a run, kept in this tab: a reload does not lose it. */
import { useState } from "react";
import type { FileDiff } from "../api/schema.gen";
import { isTaken, readTray, type Tray, toggleFile, toggleHunk } from "./tray";

export interface TrayState {
  readonly parts: Tray;
  readonly isTaken: (variation: number, path: string, hunk: number | null) => boolean;
  readonly toggle: (variation: number, file: FileDiff, hunk: number | null) => void;
  readonly empty: () => void;
}

export function useTray(runId: string): TrayState {
  const key = `tray ${runId}`;
  const [parts, setParts] = useState<Tray>(() => readTray(read(key)));
  const set = (next: Tray) => {
    setParts(next);
    write(key, JSON.stringify(next));
  };
  return {
    parts,
    isTaken: (variation, path, hunk) => isTaken(parts, variation, path, hunk),
    toggle: (variation, file, hunk) =>
      set(
        hunk === null
          ? toggleFile(parts, variation, file.path)
          : toggleHunk(parts, variation, file, hunk),
      ),
    empty: () => set([]),
  };
}

function read(key: string): string | null {
  try {
    return sessionStorage.getItem(key);
  } catch {
    return null; // storage may be refused
  }
}

function write(key: string, value: string): void {
  try {
    sessionStorage.setItem(key, value);
  } catch {
    // Storage may be refused; the tray then lasts until the page is left.
  }
}
