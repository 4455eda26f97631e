/** Bars of the timeline: what a variation did, and when. */
import type { Timestamp, TranscriptEntry, VariationView } from "../stream/run-view";

type SegmentKind = "thinking" | "writing" | "tool" | "checking" | "error";

interface Segment {
  readonly kind: SegmentKind;
  readonly from: Timestamp;
  readonly to: Timestamp;
}

/**
 * Return the bars of a variation in order. Bars of one kind at most `gap` milliseconds apart are
 * merged.
 */
export function timelineSegments(
  variation: VariationView,
  now: Timestamp,
  gap: number,
): readonly Segment[] {
  const bars: Segment[] = [];
  for (const entry of variation.entries) {
    const next = segmentOf(entry, now);
    const last = bars.at(-1);
    if (!next) continue;
    if (last && last.kind === next.kind && next.from - last.to <= gap) {
      bars[bars.length - 1] = { ...last, to: Math.max(last.to, next.to) };
    } else {
      bars.push(next);
    }
  }
  return bars;
}

function segmentOf(entry: TranscriptEntry, now: Timestamp): Segment | null {
  switch (entry.type) {
    case "text":
      return {
        kind: entry.channel === "thought" ? "thinking" : "writing",
        from: entry.at,
        to: entry.updatedAt,
      };
    case "tool": {
      const isOver = entry.status === "completed" || entry.status === "failed";
      return {
        kind: "tool",
        from: entry.at,
        to: isOver ? entry.updatedAt : Math.max(now, entry.updatedAt),
      };
    }
    case "check":
      return { kind: "checking", from: entry.at - entry.result.seconds * 1000, to: entry.at };
    case "note":
      return entry.tone === "info" ? null : { kind: "error", from: entry.at, to: entry.at };
  }
}

const STEPS_MS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600].map(
  (seconds) => seconds * 1000,
);

/**
 * Return the labelled times of the axis in milliseconds: at most `most`, at round intervals from 0.
 */
export function axisTicks(length: number, maxTicks: number): readonly number[] {
  const step =
    STEPS_MS.find((each) => length / each <= maxTicks) ??
    Math.ceil(length / maxTicks / 3_600_000) * 3_600_000;
  return Array.from({ length: Math.floor(length / step) + 1 }, (_, index) => index * step);
}
