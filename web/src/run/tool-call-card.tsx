import { type ReactNode, useState } from "react";
import type { DiffContent } from "../api/schema.gen";
import type { ToolCallEntry, ToolStatus } from "../stream/run-view";
import { formatShortDuration, pluralize } from "../ui/format";
import { lineDiff } from "../ui/line-diff";
import { useNow } from "../ui/use-now";
import { visibleLine } from "../ui/visible-text";
import { CommandOutput } from "./command-output";
import styles from "./tool-call-card.module.css";

const TOOL_STATES: Readonly<Record<ToolStatus, readonly [string, string]>> = {
  pending: ["○", "pending"],
  in_progress: ["●", "in progress"],
  completed: ["✓", "completed"],
  failed: ["✗", "failed"],
};

/** One tool call: title, status, duration, and its output or edit. */
export function ToolCallCard({ entry }: { entry: ToolCallEntry }) {
  const [glyph, words] = TOOL_STATES[entry.status];
  const isOver = entry.status === "completed" || entry.status === "failed";
  return (
    <div className={styles.tool} data-status={entry.status}>
      <p className={styles.header}>
        <span className={styles.glyph} role="img" aria-label={words}>
          {glyph}
        </span>
        {entry.toolKind === "execute" && <span className={styles.kind}>$</span>}
        <code className={styles.title} title={visibleLine(entry.title)}>
          {visibleLine(entry.title)}
        </code>
        <ToolDuration entry={entry} isOver={isOver} />
      </p>
      <ToolContents entry={entry} />
    </div>
  );
}

function ToolDuration({ entry, isOver }: { entry: ToolCallEntry; isOver: boolean }) {
  const now = useNow(1_000, !isOver);
  const took = (isOver ? entry.updatedAt : Math.max(now, entry.updatedAt)) - entry.at;
  return <span className="num dim">{isOver && took < 100 ? "" : formatShortDuration(took)}</span>;
}

function ToolContents({ entry }: { entry: ToolCallEntry }): ReactNode {
  const isExecute = entry.toolKind === "execute";
  // The output of a read is the file itself, so its name is enough unless the read failed.
  const isQuiet = entry.toolKind === "read" && entry.status !== "failed";
  return entry.content.map((content, index) => {
    // biome-ignore-start lint/suspicious/noArrayIndexKey: contents are replaced as a whole
    if (content.type === "diff") return <EditDiff key={index} diff={content} />;
    if (content.text.trim() === "" || isQuiet) return null;
    return (
      <CommandOutput
        key={index}
        text={content.text}
        open={entry.status === "failed"}
        keep={isExecute ? "end" : "start"}
      />
    );
    // biome-ignore-end lint/suspicious/noArrayIndexKey: contents are replaced as a whole
  });
}

const COLLAPSED_DIFF_LINES = 14;
const LINE_MARKS = { same: " ", added: "+", removed: "−" } as const;

function EditDiff({ diff }: { diff: DiffContent }) {
  const [open, setOpen] = useState(false);
  const lines = lineDiff(diff.old_text, diff.new_text);
  const shown = open ? lines : lines.slice(0, COLLAPSED_DIFF_LINES);
  const hidden = lines.length - shown.length;
  return (
    <figure className={styles.diff}>
      <figcaption className="visually-hidden">{`Change of ${visibleLine(diff.path)}`}</figcaption>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: the keyboard must reach what scrolls */}
      <pre tabIndex={0}>
        {shown.map((each, index) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: lines of one text
          <span key={index} className={styles.line} data-kind={each.kind}>
            <span className={styles.mark}>{LINE_MARKS[each.kind]}</span>
            {each.text}
            {"\n"}
          </span>
        ))}
      </pre>
      {(hidden > 0 || open) && (
        <button
          type="button"
          className={styles.toggle}
          aria-expanded={open}
          onClick={() => setOpen(!open)}
        >
          {open ? "Show less" : pluralize(hidden, "more line")}
        </button>
      )}
    </figure>
  );
}
