import Anser from "anser";
import { memo } from "react";
import styles from "./ansi-text.module.css";

/**
 * Render terminal text with its colours as spans. The colours are the sixteen of the page's own
 * palette, never raw styles.
 */
export const AnsiText = memo(function AnsiText({ text }: { text: string }) {
  if (!text.includes("\u001b")) return <>{text}</>;
  return Anser.ansiToJson(text, { use_classes: true, remove_empty: true, json: true }).map(
    (chunk, index) => {
      const names = [chunk.fg, ...chunk.decorations]
        .map((name) => (name ? styles[name] : undefined))
        .filter(Boolean);
      return (
        // biome-ignore lint/suspicious/noArrayIndexKey: the chunks of one text
        <span key={index} className={names.join(" ") || undefined}>
          {chunk.content}
        </span>
      );
    },
  );
});
