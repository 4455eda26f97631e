import { visibleLine } from "./visible-text";

/**
 * Render a sentence on one line, with text in backticks as code. Only text nodes are produced, so
 * untrusted text is safe.
 */
export function Prose({ children }: { children: string }) {
  const parts = visibleLine(children).split("`");
  // A backtick without a partner is an ordinary character.
  if (parts.length % 2 === 0) return <>{visibleLine(children)}</>;
  return (
    <>
      {parts.map((part, index) =>
        // biome-ignore lint/suspicious/noArrayIndexKey: the parts of one sentence
        index % 2 === 1 ? <code key={index}>{part}</code> : part,
      )}
    </>
  );
}
