import type { ReactNode } from "react";
import { Prose } from "../ui/prose";
import styles from "./pages.module.css";

/** Layout of an information page: title, one sentence, sections. */
export function InfoPage({
  title,
  about,
  children,
}: {
  title: string;
  about: string;
  children: ReactNode;
}) {
  return (
    <div className={styles.sheet}>
      <header>
        <h1>{title}</h1>
        <p className="dim">
          <Prose>{about}</Prose>
        </p>
      </header>
      {children}
    </div>
  );
}

export function InfoSection({
  title,
  aside,
  children,
}: {
  title: string;
  aside?: ReactNode;
  children: ReactNode;
}) {
  return (
    <section className={styles.part} aria-label={title}>
      <header>
        <h2>{title}</h2>
        {aside}
      </header>
      {children}
    </section>
  );
}
