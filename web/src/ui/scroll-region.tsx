import type { ReactNode } from "react";
import styles from "./scroll-region.module.css";

/** What may be wider than the page scrolls by itself, and can be reached by the keyboard to be scrolled. */
export function ScrollRegion({ label, children }: { label: string; children: ReactNode }) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by the keyboard
    <section className={styles.region} tabIndex={0} aria-label={label}>
      {children}
    </section>
  );
}
