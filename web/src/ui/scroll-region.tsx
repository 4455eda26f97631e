import type { ReactNode } from "react";
import styles from "./scroll-region.module.css";

/**
 * Region that scrolls sideways when its content is wider than the page. The keyboard reaches it.
 */
export function ScrollRegion({ label, children }: { label: string; children: ReactNode }) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: the keyboard must reach what scrolls
    <section className={styles.region} tabIndex={0} aria-label={label}>
      {children}
    </section>
  );
}
