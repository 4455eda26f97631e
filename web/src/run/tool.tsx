import { type ReactNode, useState } from "react";
import type { DiffContent } from "../api/schema.gen";
import type { ToolEntry, ToolStatus } from "../stream/types";
import { plural, span } from "../ui/format";
import { lineDiff } from "../ui/line-diff";
import { line, plain } from "../ui/plain";
import { useNow } from "../ui/time";
import { Output } from "./output";
import styles from "./tool.module.css";

const STATES: Readonly<Record<ToolStatus, readonly [string, string]>> = {
  pending: ["○", "pending"],
  in_progress: ["●", "under way"],
  completed: ["✓", "completed"],
  failed: ["✗", "failed"],
};

/** A tool call: what, in which state, how long, and what came of it. */
export function ToolCard({ entry }: { entry: ToolEntry }) {
  const [glyph, words] = STATES[entry.status];
  const isOver = entry.status === "completed" || entry.status === "failed";
  return (
    <div className={styles.tool} data-status={entry.status}>
      <p className={styles.head}>
        <span className={styles.glyph} role="img" aria-label={words}>
          {glyph}
        </span>
        {entry.toolKind === "execute" && <span className={styles.kind}>$</span>}
        <code className={styles.title} title={line(entry.title)}>
          {line(entry.title)}
        </code>
        <Clock entry={entry} isOver={isOver} />
      </p>
      <ToolBody entry={entry} />
    </div>
  );
}

function Clock({ entry, isOver }: { entry: ToolEntry; isOver: boolean }) {
  const now = useNow(1_000, !isOver);
  const took = (isOver ? entry.until : Math.max(now, entry.until)) - entry.at;
  return <span className="num dim">{isOver && took < 100 ? "" : span(took)}</span>;
}

function ToolBody({ entry }: { entry: ToolEntry }): ReactNode {
  const isExecute = entry.toolKind === "execute";
  // What a read returned is the file itself: its name says enough, unless it failed.
  const isQuiet = entry.toolKind === "read" && entry.status !== "failed";
  return entry.content.map((content, index) => {
    // biome-ignore-start lint/suspicious/noArrayIndexKey: contents are replaced as a whole
    if (content.type === "diff") return <MiniDiff key={index} diff={content} />;
    if (content.text.trim() === "" || isQuiet) return null;
    return (
      <Output
        key={index}
        text={content.text}
        open={entry.status === "failed"}
        keep={isExecute ? "end" : "start"}
      />
    );
    // biome-ignore-end lint/suspicious/noArrayIndexKey: contents are replaced as a whole
  });
}

const FOLDED = 14;
const SIGN = { same: " ", added: "+", removed: "−" } as const;

function MiniDiff({ diff }: { diff: DiffContent }) {
  const [open, setOpen] = useState(false);
  const lines = lineDiff(diff.old_text, diff.new_text);
  const shown = open ? lines : lines.slice(0, FOLDED);
  const hidden = lines.length - shown.length;
  return (
    <figure className={styles.diff}>
      <figcaption className="only-read-aloud">{`Change of ${line(diff.path)}`}</figcaption>
      <pre>
        {shown.map((each, index) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: lines of one text
          <span key={index} className={styles.line} data-kind={each.kind}>
            <span className={styles.sign}>{SIGN[each.kind]}</span>
            {plain(each.text)}
            {"\n"}
          </span>
        ))}
      </pre>
      {(hidden > 0 || open) && (
        <button
          type="button"
          className={styles.fold}
          aria-expanded={open}
          onClick={() => setOpen(!open)}
        >
          {open ? "fold" : plural(hidden, "more line")}
        </button>
      )}
    </figure>
  );
}
