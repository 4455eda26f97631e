import { memo, Suspense, useState } from "react";
import type { CheckResult } from "../api/schema.gen";
import { lazily } from "../app/lazily";
import type { CheckEntry, Entry, NoteEntry, TextEntry } from "../stream/types";
import { span } from "../ui/format";
import { line, plain } from "../ui/plain";
import styles from "./entry.module.css";
import { Output } from "./output";
import { ToolCard } from "./tool";

const Markdown = lazily(() => import("../ui/markdown").then((module) => module.Markdown));

interface Props {
  readonly entry: Entry;
  readonly revision: number;
  /** Whether it may still grow. */
  readonly isLive: boolean;
}

/** One row of a transcript. */
export const EntryRow = memo(function EntryRow({ entry, isLive }: Props) {
  switch (entry.type) {
    case "text":
      return entry.channel === "thought" ? (
        <Thought entry={entry} isLive={isLive} />
      ) : (
        <Message entry={entry} isLive={isLive} />
      );
    case "tool":
      return <ToolCard entry={entry} />;
    case "check":
      return <CheckRow entry={entry} />;
    case "note":
      return <Note entry={entry} />;
  }
});

/** Characters up to which a thought is shown whole. */
const SHORT = 220;

function Thought({ entry, isLive }: { entry: TextEntry; isLive: boolean }) {
  const [open, setOpen] = useState(false);
  const text = plain(entry.text.trim());
  const isLong = text.length > SHORT;
  const shown = open || !isLong ? text : shorten(text, isLive);
  return (
    <div className={styles.thought}>
      <span className="only-read-aloud">Thought: </span>
      {shown}
      {isLong && (
        <button
          type="button"
          className={styles.fold}
          aria-expanded={open}
          onClick={() => setOpen(!open)}
        >
          {open ? "fold" : "unfold"}
        </button>
      )}
    </div>
  );
}

/** While it grows, the end is of interest; afterwards the beginning. */
function shorten(text: string, isLive: boolean): string {
  return isLive ? `…${text.slice(-SHORT)}` : `${text.slice(0, SHORT)}…`;
}

/** Plain while it streams, Markdown once it is whole. */
function Message({ entry, isLive }: { entry: TextEntry; isLive: boolean }) {
  const text = <p className={styles.streaming}>{plain(entry.text.trim())}</p>;
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
  const passed = exit_code === 0;
  const [open, setOpen] = useState(!passed);
  const hasOutput = output.trim() !== "";
  return (
    <div className={styles.check} data-passed={passed}>
      <p className={styles.checkHead}>
        <span aria-hidden="true">{passed ? "✓" : "✗"}</span>
        <code className="clip">{line(check)}</code>
        {hasOutput && (
          <button
            type="button"
            className={styles.fold}
            aria-expanded={open}
            onClick={() => setOpen(!open)}
          >
            output
          </button>
        )}
        <span>{resultText(entry.result)}</span>
        <span className="num dim">{span(seconds * 1000)}</span>
      </p>
      {open && hasOutput && <Output text={output} open={!passed} keep="end" />}
    </div>
  );
}

function resultText({ exit_code, note }: CheckResult): string {
  if (exit_code === 0) return "passed";
  return note ? line(note) : `exit ${exit_code}`;
}

function Note({ entry }: { entry: NoteEntry }) {
  return (
    <div className={styles.note} data-tone={entry.tone}>
      <strong>{line(entry.title)}</strong> {plain(entry.text)}
    </div>
  );
}
