import { type RefObject, useEffect, useRef, useState } from "react";
import { Virtualizer } from "virtua";
import type { Lane } from "../stream/types";
import { Button } from "../ui/button";
import { plural } from "../ui/format";
import { EntryRow } from "./entry";
import styles from "./transcript.module.css";
import { isSettled } from "./words";

/** How near to the end still counts as being at it. */
const NEAR_PX = 48;
/** For how long a scroll after a wheel, key, touch or click counts as the reader's. */
const HAND_MS = 700;

/** All that a variation said and did. It holds the end as long as the reader is there, and never pulls them back. */
export function Transcript({ lane }: { lane: Lane; revision: number }) {
  const scroller = useRef<HTMLDivElement>(null);
  const isAtEnd = useRef(true);
  const touchedAt = useRef(0);
  const [seen, setSeen] = useState<number | null>(null);
  const { entries } = lane;

  const toEnd = () => {
    const element = scroller.current;
    if (element) element.scrollTop = element.scrollHeight;
  };
  useGrowth(scroller, () => {
    if (isAtEnd.current) toEnd();
  });
  const onScroll = () => {
    const element = scroller.current;
    if (!element) return;
    const isNear = element.scrollHeight - element.scrollTop - element.clientHeight < NEAR_PX;
    // The list moves by itself as rows are measured; only a reader's own hand leaves the end.
    const isByHand = performance.now() - touchedAt.current < HAND_MS;
    if (!isNear && !isByHand) return;
    isAtEnd.current = isNear;
    setSeen((before) => (isNear ? null : (before ?? entries.length)));
  };
  const onHand = () => {
    touchedAt.current = performance.now();
  };
  const unseen = seen === null ? 0 : entries.length - seen;
  return (
    <div className={styles.frame}>
      <div
        ref={scroller}
        className={styles.scroller}
        onScroll={onScroll}
        onWheel={onHand}
        onTouchMove={onHand}
        onPointerDown={onHand}
        onPointerMove={(event) => event.buttons > 0 && onHand()}
        onKeyDown={onHand}
        // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keyboard
        tabIndex={0}
        role="log"
        aria-live="off"
        aria-label={`Transcript of variation ${lane.number}`}
      >
        <Virtualizer scrollRef={scroller}>
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

/** Call whenever what scrolls, or the place for it, has another size. */
function useGrowth(scroller: RefObject<HTMLDivElement | null>, grown: () => void): void {
  const latest = useRef(grown);
  latest.current = grown;
  useEffect(() => {
    const element = scroller.current;
    const content = element?.firstElementChild;
    if (!element || !content) return;
    const observer = new ResizeObserver(() => latest.current());
    observer.observe(element);
    observer.observe(content);
    return () => observer.disconnect();
  }, [scroller]);
}
