/**
 * Render an agent's message, which may be hostile, as Markdown. Raw HTML stays text. An image is
 * only named, since loading it would tell a foreign server that someone is reading. A link shows
 * its host and sends no referrer.
 */
import { memo } from "react";
import ReactMarkdown, { type Components } from "react-markdown";
import remarkGfm from "remark-gfm";
import styles from "./markdown.module.css";
import { spellOutInvisible } from "./markdown-text";

const REMARK_PLUGINS = [remarkGfm];
/** React-markdown makes its elements without the page's JSX runtime. */
const REHYPE_PLUGINS = [() => spellOutInvisible];
const SAFE_LINK = /^(https?:|mailto:)/i;

const COMPONENTS: Components = {
  a: ({ href, children }) => {
    if (!href || !SAFE_LINK.test(href)) return <>{children}</>;
    return (
      <a href={href} target="_blank" rel="noopener noreferrer nofollow">
        {children}
        <span className={styles.host}> ({hostOf(href)})</span>
      </a>
    );
  },
  img: ({ alt }) => <span className={styles.image}>[image{alt ? `: ${alt}` : ""}]</span>,
  input: ({ checked }) => <span aria-hidden="true">{checked ? "☑" : "☐"}</span>,
  table: ({ children }) => (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: the keyboard must reach what scrolls
    <section className={styles.wide} tabIndex={0} aria-label="Table">
      <table>{children}</table>
    </section>
  ),
  // biome-ignore lint/a11y/noNoninteractiveTabindex: the keyboard must reach what scrolls
  pre: ({ children }) => <pre tabIndex={0}>{children}</pre>,
  // An agent's headings are no headings of the page's outline.
  h1: ({ children }) => <p className={styles.heading}>{children}</p>,
  h2: ({ children }) => <p className={styles.heading}>{children}</p>,
  h3: ({ children }) => <p className={styles.heading}>{children}</p>,
  h4: ({ children }) => <p className={styles.heading}>{children}</p>,
  h5: ({ children }) => <p className={styles.heading}>{children}</p>,
  h6: ({ children }) => <p className={styles.heading}>{children}</p>,
};

function hostOf(href: string): string {
  try {
    return new URL(href).host || href;
  } catch {
    return href;
  }
}

export const Markdown = memo(function Markdown({ text }: { text: string }) {
  return (
    <div className={styles.markdown} dir="auto">
      <ReactMarkdown
        remarkPlugins={REMARK_PLUGINS}
        rehypePlugins={REHYPE_PLUGINS}
        components={COMPONENTS}
      >
        {text}
      </ReactMarkdown>
    </div>
  );
});
