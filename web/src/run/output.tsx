import { useState } from "react";
import { Ansi } from "../ui/ansi";
import { plural } from "../ui/format";
import { terminal } from "../ui/plain";
import styles from "./output.module.css";

const FOLDED_LINES = 8;

interface Props {
  readonly text: string;
  /** Whether all of it shows at first: errors are never folded. */
  readonly open?: boolean;
  /** Which end tells more. */
  readonly keep?: "start" | "end";
}

/** What a command printed, folded to a few lines. */
export function Output({ text, open: opened = false, keep = "start" }: Props) {
  const [open, setOpen] = useState(opened);
  const lines = terminal(text.replace(/\n+$/, "")).split("\n");
  const hidden = open ? 0 : Math.max(0, lines.length - FOLDED_LINES);
  const shown = keep === "end" ? lines.slice(hidden) : lines.slice(0, lines.length - hidden);
  return (
    <div className={styles.output}>
      <pre>
        <Ansi text={shown.join("\n")} />
      </pre>
      {(hidden > 0 || (open && lines.length > FOLDED_LINES)) && (
        <button
          type="button"
          className={styles.fold}
          aria-expanded={open}
          onClick={() => setOpen(!open)}
        >
          {open ? "fold" : `${plural(hidden, "more line")}`}
        </button>
      )}
    </div>
  );
}
