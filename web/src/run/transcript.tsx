import { useEffect, useRef, useState } from "react";
import { Virtualizer, type VirtualizerHandle } from "virtua";
import type { Lane } from "../stream/types";
import { Button } from "../ui/button";
import { plural } from "../ui/format";
import { EntryRow } from "./entry";
import styles from "./transcript.module.css";
import { isSettled } from "./words";

/** How near to the end still counts as being at it. */
const NEAR_PX = 48;

/** All that a variation said and did. It holds the end as long as the reader is there, and never pulls them back. */
export function Transcript({ lane, revision }: { lane: Lane; revision: number }) {
  const scroller = useRef<HTMLDivElement>(null);
  const list = useRef<VirtualizerHandle>(null);
  const isAtEnd = useRef(true);
  const [seen, setSeen] = useState<number | null>(null);
  const { entries } = lane;

  const toEnd = () => {
    const element = scroller.current;
    if (element) element.scrollTop = element.scrollHeight;
  };
  // biome-ignore lint/correctness/useExhaustiveDependencies: each revision may have made the list longer
  useEffect(() => {
    if (!isAtEnd.current) return;
    toEnd();
    const frame = requestAnimationFrame(toEnd); // once more, when new rows have been measured
    return () => cancelAnimationFrame(frame);
  }, [revision]);

  const onScroll = () => {
    const element = scroller.current;
    if (!element) return;
    isAtEnd.current = element.scrollHeight - element.scrollTop - element.clientHeight < NEAR_PX;
    setSeen((before) => (isAtEnd.current ? null : (before ?? entries.length)));
  };
  const unseen = seen === null ? 0 : entries.length - seen;
  return (
    <div className={styles.frame}>
      <div
        ref={scroller}
        className={styles.scroller}
        onScroll={onScroll}
        // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keyboard
        tabIndex={0}
        role="log"
        aria-live="off"
        aria-label={`Transcript of variation ${lane.number}`}
      >
        <Virtualizer ref={list} scrollRef={scroller}>
          {entries.map((entry, index) => (
            <EntryRow
              key={entry.id}
              entry={entry}
              revision={entry.revision}
              isLive={index === entries.length - 1 && !isSettled(lane)}
            />
          ))}
        </Virtualizer>
      </div>
      {seen !== null && (
        <div className={styles.below}>
          <Button
            size="s"
            icon="down"
            onClick={() => {
              isAtEnd.current = true;
              setSeen(null);
              toEnd();
            }}
          >
            {unseen > 0 ? plural(unseen, "new entry", "new entries") : "To the end"}
          </Button>
        </div>
      )}
    </div>
  );
}
