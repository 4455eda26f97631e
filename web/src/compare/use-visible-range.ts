/**
 * Which rows of a long table are near the window, for rows of one height. A table cannot be a
 * virtual list of positioned elements: rows above and below are replaced by one empty row each.
 */
import { type RefObject, useLayoutEffect, useState } from "react";

export interface VisibleRange {
  readonly start: number;
  /** Exclusive. */
  readonly end: number;
}

/** Up to this number of rows, all are rendered. */
const SMALL = 40;
/** Rows that are rendered above and below the window. */
const MARGIN = 4;

/**
 * Return the range of rows to render.
 *
 * @param body Element that holds the rows.
 * @param before Height of what stands above the first row in the element, in pixels.
 */
export function useVisibleRange(
  body: RefObject<HTMLElement | null>,
  count: number,
  rowHeight: number,
  before: number,
): VisibleRange {
  const [range, setRange] = useState<VisibleRange>({ start: 0, end: SMALL });
  useLayoutEffect(() => {
    if (count <= SMALL) return;
    const measure = () => {
      const top = (body.current?.getBoundingClientRect().top ?? 0) + before;
      const start = Math.max(0, Math.floor(-top / rowHeight) - MARGIN);
      const end = Math.max(start + MARGIN, Math.ceil((innerHeight - top) / rowHeight) + MARGIN);
      setRange((old) => (old.start === start && old.end === end ? old : { start, end }));
    };
    measure();
    addEventListener("scroll", measure, { passive: true });
    addEventListener("resize", measure);
    return () => {
      removeEventListener("scroll", measure);
      removeEventListener("resize", measure);
    };
  }, [body, count, rowHeight, before]);
  if (count <= SMALL) return { start: 0, end: count };
  return { start: Math.min(range.start, count), end: Math.min(range.end, count) };
}
