import type { ReactNode } from "react";
import styles from "./chip.module.css";

export type Tone = "neutral" | "active" | "good" | "bad" | "warning";

/** Coloured label with a glyph, so that colour is never the only sign. */
export function Chip({
  tone = "neutral",
  glyph,
  children,
}: {
  tone?: Tone;
  glyph?: string;
  children: ReactNode;
}) {
  return (
    <span className={styles.chip} data-tone={tone}>
      {glyph && (
        <span className={styles.glyph} aria-hidden="true">
          {glyph}
        </span>
      )}
      <span>{children}</span>
    </span>
  );
}

/** Number of a variation in its colour, which is the same everywhere on the page. */
export function VariationBadge({ number }: { number: number }) {
  return (
    <span
      className={styles.variation}
      style={{ background: `var(--variation-${((number - 1) % 8) + 1})` }}
    >
      <span className="visually-hidden">Variation </span>
      {number}
    </span>
  );
}
