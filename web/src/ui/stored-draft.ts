/** What was typed and not sent yet, kept in this browser until it is sent. */
import { useCallback, useState } from "react";

const PREFIX = "draft:";
/** Drafts are small; more than this many are forgotten, oldest first. */
const MAX_DRAFTS = 50;

interface StoredDraft {
  readonly at: number;
  readonly value: unknown;
}

/** Return a stored draft; undefined where there is none, or the browser refuses storage. */
export function readDraft(name: string): unknown {
  try {
    const text = localStorage.getItem(PREFIX + name);
    return text === null ? undefined : (JSON.parse(text) as StoredDraft).value;
  } catch {
    return undefined;
  }
}

/** Store a draft; undefined removes it. */
export function writeDraft(name: string, value: unknown): void {
  try {
    if (value === undefined) localStorage.removeItem(PREFIX + name);
    else localStorage.setItem(PREFIX + name, JSON.stringify({ at: Date.now(), value }));
    forgetOldest();
  } catch {
    // The browser refuses storage: the draft lasts as long as the page.
  }
}

function forgetOldest(): void {
  const names = Object.keys(localStorage).filter((name) => name.startsWith(PREFIX));
  if (names.length <= MAX_DRAFTS) return;
  const age = (name: string) => {
    const { at } = JSON.parse(localStorage.getItem(name) ?? "{}") as Partial<StoredDraft>;
    return at ?? 0;
  };
  const oldest = names.sort((a, b) => age(a) - age(b)).slice(0, names.length - MAX_DRAFTS);
  for (const name of oldest) localStorage.removeItem(name);
}

/**
 * State of a text field that survives a reload, a navigation and a lost session.
 *
 * Returns the text, a function that changes it, and one that forgets it once it was sent. The text
 * is null until something is typed.
 */
export function useStoredText(
  name: string,
): readonly [string | null, (text: string) => void, () => void] {
  const [text, setText] = useState<string | null>(() => {
    const stored = readDraft(name);
    return typeof stored === "string" ? stored : null;
  });
  const change = useCallback(
    (next: string) => {
      setText(next);
      writeDraft(name, next === "" ? undefined : next);
    },
    [name],
  );
  const forget = useCallback(() => writeDraft(name, undefined), [name]);
  return [text, change, forget];
}
