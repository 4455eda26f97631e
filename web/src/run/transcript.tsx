import { type RefObject, useContext, useEffect, useRef, useState } from "react";
import { Virtualizer } from "virtua";
import type { VariationView } from "../stream/run-view";
import { Button } from "../ui/button";
import { pluralize } from "../ui/format";
import styles from "./transcript.module.css";
import { TranscriptRow } from "./transcript-row";
import { matchingEntries, TranscriptFilter } from "./transcript-search";
import { hasEnded } from "./variation-labels";

/** Distance from the end that still counts as being at the end. */
const NEAR_END_PX = 48;
/** Time after a wheel, key, touch or pointer event in which scrolling counts as the user's. */
const USER_SCROLL_MS = 700;

/**
 * Everything that a variation said and did. The view follows new entries while the user is at the
 * end, and never moves otherwise.
 */
export function Transcript({ variation }: { variation: VariationView; revision: number }) {
  const scroller = useRef<HTMLDivElement>(null);
  const isAtEnd = useRef(true);
  const touchedAt = useRef(0);
  const [seen, setSeen] = useState<number | null>(null);
  const search = useContext(TranscriptFilter);
  const entries = matchingEntries(variation.entries, search);

  const toEnd = () => {
    const element = scroller.current;
    if (element) element.scrollTop = element.scrollHeight;
  };
  useResize(scroller, () => {
    if (isAtEnd.current) toEnd();
  });
  const onScroll = () => {
    const element = scroller.current;
    if (!element) return;
    const isNear = element.scrollHeight - element.scrollTop - element.clientHeight < NEAR_END_PX;
    // The list scrolls by itself while rows are measured; only the user's own scrolling leaves the
    // end.
    const isByHand = performance.now() - touchedAt.current < USER_SCROLL_MS;
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
        // biome-ignore lint/a11y/noNoninteractiveTabindex: the keyboard must reach what scrolls
        tabIndex={0}
        role="log"
        aria-live="off"
        aria-label={`Transcript of variation ${variation.number}`}
      >
        <Virtualizer scrollRef={scroller} data={entries}>
          {(entry, index) => (
            <TranscriptRow
              key={entry.id}
              entry={entry}
              revision={entry.revision}
              isLive={index === entries.length - 1 && !hasEnded(variation)}
            />
          )}
        </Virtualizer>
        {search.trim() !== "" && entries.length === 0 && <p className="dim">No match</p>}
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
            {unseen > 0 ? pluralize(unseen, "new entry", "new entries") : "Jump to the end"}
          </Button>
        </div>
      )}
    </div>
  );
}

/** Call back when the size of the scrolling element or of its content changes. */
function useResize(scroller: RefObject<HTMLDivElement | null>, onResize: () => void): void {
  const latest = useRef(onResize);
  latest.current = onResize;
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
