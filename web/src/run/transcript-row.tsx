import { memo, Suspense, useState } from "react";
import type { CheckResult } from "../api/schema.gen";
import { lazyComponent } from "../app/lazy-component";
import type { CheckEntry, NoteEntry, TextEntry, TranscriptEntry } from "../stream/run-view";
import { formatShortDuration } from "../ui/format";
import { visibleLine } from "../ui/visible-text";
import { CommandOutput } from "./command-output";
import { ToolCallCard } from "./tool-call-card";
import styles from "./transcript-row.module.css";

const Markdown = lazyComponent(() => import("../ui/markdown").then((module) => module.Markdown));

interface Props {
  readonly entry: TranscriptEntry;
  readonly revision: number;
  /** Whether more text may be appended. */
  readonly isLive: boolean;
}

/** One row of a transcript. */
export const TranscriptRow = memo(function TranscriptRow({ entry, isLive }: Props) {
  switch (entry.type) {
    case "text":
      return entry.channel === "thought" ? (
        <Thought entry={entry} isLive={isLive} />
      ) : (
        <Message entry={entry} isLive={isLive} />
      );
    case "tool":
      return <ToolCallCard entry={entry} />;
    case "check":
      return <CheckRow entry={entry} />;
    case "note":
      return <NoteRow entry={entry} />;
  }
});

/** Characters of a thought that show until it is opened. */
const MAX_COLLAPSED = 220;

function Thought({ entry, isLive }: { entry: TextEntry; isLive: boolean }) {
  const [open, setOpen] = useState(false);
  const text = entry.text.trim();
  const isLong = text.length > MAX_COLLAPSED;
  const shown = open || !isLong ? text : shorten(text, isLive);
  return (
    <div className={styles.thought} dir="auto">
      <span className="visually-hidden">Thought: </span>
      {shown}
      {isLong && (
        <button
          type="button"
          className={styles.toggle}
          aria-expanded={open}
          onClick={() => setOpen(!open)}
        >
          {open ? "Show less" : "Show more"}
        </button>
      )}
    </div>
  );
}

/** Shorten a thought: keep its end while it grows, its beginning afterwards. */
function shorten(text: string, isLive: boolean): string {
  return isLive ? `…${text.slice(-MAX_COLLAPSED)}` : `${text.slice(0, MAX_COLLAPSED)}…`;
}

/** Agent's message: plain text while it streams, Markdown once it is complete. */
function Message({ entry, isLive }: { entry: TextEntry; isLive: boolean }) {
  const text = (
    <p className={styles.streaming} dir="auto">
      {entry.text.trim()}
    </p>
  );
  return (
    <div className={styles.message}>
      {isLive ? (
        text
      ) : (
        <Suspense fallback={text}>
          <Markdown text={entry.text} />
        </Suspense>
      )}
    </div>
  );
}

function CheckRow({ entry }: { entry: CheckEntry }) {
  const { check, exit_code, seconds, output = "" } = entry.result;
  const hasPassed = exit_code === 0;
  const [open, setOpen] = useState(!hasPassed);
  const hasOutput = output.trim() !== "";
  return (
    <div className={styles.check} data-passed={hasPassed}>
      <p className={styles.checkHeader}>
        <span aria-hidden="true">{hasPassed ? "✓" : "✗"}</span>
        <code className="clip">{visibleLine(check)}</code>
        {hasOutput && (
          <button
            type="button"
            className={styles.toggle}
            aria-expanded={open}
            onClick={() => setOpen(!open)}
          >
            {open ? "Hide output" : "Show output"}
          </button>
        )}
        <span>{resultText(entry.result)}</span>
        <span className="num dim">{formatShortDuration(seconds * 1000)}</span>
      </p>
      {open && hasOutput && <CommandOutput text={output} open={!hasPassed} keep="end" />}
    </div>
  );
}

function resultText({ exit_code, note }: CheckResult): string {
  if (exit_code === 0) return "passed";
  return note ? visibleLine(note) : `exit ${exit_code}`;
}

function NoteRow({ entry }: { entry: NoteEntry }) {
  return (
    <div className={styles.note} data-tone={entry.tone}>
      <strong>{visibleLine(entry.title)}</strong> {entry.text}
    </div>
  );
}
