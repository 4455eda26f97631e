/** Links that open a file of a local repository in the reader's editor. */
import { useState } from "react";
import type { RunSpec } from "../api/schema.gen";

/** Editors by name, each with the beginning of its links. */
export const EDITORS: Readonly<Record<string, string>> = {
  "VS Code": "vscode://file",
  Cursor: "cursor://file",
  Windsurf: "windsurf://file",
  Zed: "zed://file",
};

const KEY = "editor";

/** Return the chosen editor, kept in the browser, and a function that sets it; none when empty. */
export function useEditor(): [string, (name: string) => void] {
  const [name, setName] = useState(readEditor);
  const choose = (next: string) => {
    setName(next);
    try {
      localStorage.setItem(KEY, next);
    } catch {
      // The browser may refuse storage; the choice then lasts until the page is left.
    }
  };
  return [name, choose];
}

function readEditor(): string {
  try {
    const stored = localStorage.getItem(KEY) ?? "";
    return stored in EDITORS ? stored : "";
  } catch {
    return ""; // the browser may refuse storage
  }
}

/** Return the link to a file; null without an editor, or where the repository is elsewhere. */
export function editorLink(
  editor: string,
  { repo_url = "" }: RunSpec,
  path: string,
): string | null {
  const start = EDITORS[editor];
  if (start === undefined || !repo_url.startsWith("/")) return null;
  return start + encodeURI(`${repo_url}/${path}`).replace(/[?#]/g, encodeURIComponent);
}
