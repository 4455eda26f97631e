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

/** Return the colour of a variation. There are eight; the ninth variation has the first again. */
export function variationColour(number: number): string {
  return `var(--variation-${((number - 1) % 8) + 1})`;
}

/** Number of a variation in its colour, which is the same everywhere on the page. */
export function VariationBadge({ number }: { number: number }) {
  return (
    <span className={styles.variation} style={{ background: variationColour(number) }}>
      <span className="visually-hidden">Variation </span>
      {number}
    </span>
  );
}
