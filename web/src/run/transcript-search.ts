/** Search in the transcripts of a run. */
import { createContext } from "react";
import type { TranscriptEntry } from "../stream/run-view";

/** Words that the shown entries hold, all of them, in any case; empty shows every entry. */
export const TranscriptFilter = createContext("");

/** Return the entries that hold every word of the search. */
export function matchingEntries(
  entries: readonly TranscriptEntry[],
  search: string,
): readonly TranscriptEntry[] {
  const words = search.toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length === 0) return entries;
  return entries.filter((entry) => {
    const text = entryText(entry).toLowerCase();
    return words.every((word) => text.includes(word));
  });
}

/** Return everything of an entry that can be read. */
function entryText(entry: TranscriptEntry): string {
  switch (entry.type) {
    case "text":
      return entry.text;
    case "note":
      return `${entry.title} ${entry.text}`;
    case "check":
      return `${entry.result.check} ${entry.result.output ?? ""}`;
    case "tool":
      return [entry.title, ...entry.paths, ...entry.content.map(contentText)].join(" ");
  }
}

type ToolContent = Extract<TranscriptEntry, { type: "tool" }>["content"][number];

function contentText(content: ToolContent): string {
  return content.type === "text"
    ? content.text
    : `${content.path} ${content.old_text ?? ""} ${content.new_text}`;
}
