/** Comments of a run as they are kept in the browser's storage. */
import type { ReviewComment } from "./comments";

/** Parse stored comments; anything else gives none. */
export function parseComments(text: string | null): readonly ReviewComment[] {
  try {
    const found: unknown = JSON.parse(text ?? "[]");
    return Array.isArray(found) ? found.filter(isComment) : [];
  } catch {
    return [];
  }
}

const TYPES: Readonly<Record<string, string>> = {
  id: "string",
  variation: "number",
  path: "string",
  line: "number",
  kind: "string",
  text: "string",
  body: "string",
  toAll: "boolean",
  isOpen: "boolean",
};

function isComment(value: unknown): value is ReviewComment {
  if (typeof value !== "object" || value === null) return false;
  const fields = value as Record<string, unknown>;
  const isTyped = Object.entries(TYPES).every(([name, type]) => typeof fields[name] === type);
  const { suggestion, sent } = fields;
  return isTyped && (suggestion === null || typeof suggestion === "string") && isSent(sent);
}

function isSent(value: unknown): boolean {
  return (
    value === null ||
    (typeof value === "object" && Object.values(value).every((each) => typeof each === "string"))
  );
}
