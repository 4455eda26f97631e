/** Title of the browser's tab, which also tells screen readers of a change of page. */
import { useEffect } from "react";

const LONGEST = 80;

/** Return the title of a tab: `Make addition add – AIdeator`. */
export function documentTitle(text: string): string {
  const line = text.trim().split("\n", 1)[0] ?? "";
  const shown = line.length > LONGEST ? `${line.slice(0, LONGEST - 1)}…` : line;
  return shown === "" ? "AIdeator" : `${shown} – AIdeator`;
}

/** Give the tab a title while the component is mounted. */
export function useDocumentTitle(text: string): void {
  useEffect(() => {
    document.title = documentTitle(text);
  }, [text]);
}

/** Give the tab a title, as an element of a view. */
export function PageTitle({ text }: { text: string }): null {
  useDocumentTitle(text);
  return null;
}
