/** Files of a diff that were marked as viewed, kept in the browser for each content of the file. */
import { useState } from "react";
import type { FileDiff } from "../api/schema.gen";

/** Files that are remembered for one run. */
const MAX_REMEMBERED = 500;

/**
 * Return the paths that are viewed, and a function that marks one or takes the mark back. A file
 * whose change is another one, after a follow-up, is not viewed any more.
 */
export function useViewedFiles(
  runId: string,
  files: readonly FileDiff[],
): [ReadonlySet<string>, (path: string) => void] {
  const key = `viewed ${runId}`;
  const [marks, setMarks] = useState<readonly string[]>(() => readMarks(key));
  const viewed = new Set(
    files.filter((file) => marks.includes(fingerprint(file))).map((file) => file.path),
  );
  const toggle = (path: string) => {
    const file = files.find((each) => each.path === path);
    if (!file) return;
    const mark = fingerprint(file);
    const next = marks.includes(mark)
      ? marks.filter((each) => each !== mark)
      : [...marks, mark].slice(-MAX_REMEMBERED);
    setMarks(next);
    writeMarks(key, next);
  };
  return [viewed, toggle];
}

const fingerprints = new WeakMap<FileDiff, string>();

/** Return a short hash of a file's change: FNV-1a, 32 bits, which only tells changes apart. */
export function fingerprint(file: FileDiff): string {
  const known = fingerprints.get(file);
  if (known !== undefined) return known;
  let hash = 0x811c9dc5;
  for (const character of JSON.stringify(file)) {
    hash ^= character.codePointAt(0) ?? 0;
    hash = Math.imul(hash, 0x01000193);
  }
  const found = `${file.path} ${(hash >>> 0).toString(16)}`;
  fingerprints.set(file, found);
  return found;
}

function readMarks(key: string): readonly string[] {
  try {
    const found: unknown = JSON.parse(localStorage.getItem(key) ?? "[]");
    return Array.isArray(found) ? found.filter((each) => typeof each === "string") : [];
  } catch {
    return []; // the browser may refuse storage
  }
}

function writeMarks(key: string, marks: readonly string[]): void {
  try {
    localStorage.setItem(key, JSON.stringify(marks));
  } catch {
    // The browser may refuse storage; the marks then last until the page is left.
  }
}
