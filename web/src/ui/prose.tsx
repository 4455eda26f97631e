import { visibleLine } from "./visible-text";

/** A sentence with its `code`, on one line. Text nodes only, whoever wrote it. */
export function Prose({ children }: { children: string }) {
  const parts = visibleLine(children).split("`");
  // An odd one out is a character like any other.
  if (parts.length % 2 === 0) return <>{visibleLine(children)}</>;
  return parts.map((part, index) =>
    // biome-ignore lint/suspicious/noArrayIndexKey: the parts of one sentence
    index % 2 === 1 ? <code key={index}>{part}</code> : part,
  );
}
