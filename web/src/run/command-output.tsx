import { useState } from "react";
import { AnsiText } from "../ui/ansi-text";
import { pluralize } from "../ui/format";
import { visibleTerminal } from "../ui/visible-text";
import styles from "./command-output.module.css";

const COLLAPSED_OUTPUT_LINES = 8;

interface Props {
  readonly text: string;
  /** Whether all lines show at first. The output of a failure does. */
  readonly open?: boolean;
  /** End of the output that shows while the rest is hidden. */
  readonly keep?: "start" | "end";
}

/** Output of a command, shortened to a few lines until it is opened. */
export function CommandOutput({ text, open: opened = false, keep = "start" }: Props) {
  const [open, setOpen] = useState(opened);
  const lines = visibleTerminal(text.replace(/\n+$/, "")).split("\n");
  const hidden = open ? 0 : Math.max(0, lines.length - COLLAPSED_OUTPUT_LINES);
  const shown = keep === "end" ? lines.slice(hidden) : lines.slice(0, lines.length - hidden);
  return (
    <div className={styles.output}>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: the keyboard must reach what scrolls */}
      <pre tabIndex={0}>
        <AnsiText text={shown.join("\n")} />
      </pre>
      {(hidden > 0 || (open && lines.length > COLLAPSED_OUTPUT_LINES)) && (
        <button
          type="button"
          className={styles.toggle}
          aria-expanded={open}
          onClick={() => setOpen(!open)}
        >
          {open ? "Show less" : `${pluralize(hidden, "more line")}`}
        </button>
      )}
    </div>
  );
}
