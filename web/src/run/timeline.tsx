import { memo } from "react";
import type { Lane, RunView } from "../stream/types";
import { LaneMark } from "../ui/chip";
import { duration } from "../ui/format";
import { useNow } from "../ui/time";
import { segments, ticks } from "./segments";
import styles from "./timeline.module.css";
import { sentence } from "./words";

/** Bars are drawn on a strip of this many units, whatever its width on the screen. */
const WIDE = 1000;
const MOST_TICKS = 8;

interface Props {
  readonly view: RunView;
  /** What is shown of it: all, or up to here while it is replayed. */
  readonly at: number | null;
}

/** The race: who did what when, on one clock. */
export function Timeline({ view, at }: Props) {
  const isAtWork = view.status === null;
  const now = useNow(500, isAtWork);
  const begun = view.firstAt ?? now;
  const end = isAtWork ? now : (view.lastAt ?? now);
  const length = Math.max(1000, end - begun);
  return (
    <div className={styles.timeline}>
      {view.lanes.map((lane) => (
        <div key={lane.number} className={styles.row}>
          <LaneMark number={lane.number} />
          <Bars
            lane={lane}
            begun={begun}
            length={length}
            revision={lane.revision}
            now={isAtWork ? now : end}
          />
        </div>
      ))}
      <div className={styles.axis} aria-hidden="true">
        {ticks(length, MOST_TICKS).map((tick) => (
          <span key={tick} style={{ left: `${(tick / length) * 100}%` }}>
            {duration(tick)}
          </span>
        ))}
        {at !== null && (
          <i className={styles.cursor} style={{ left: `${Math.min(1, at / length) * 100}%` }} />
        )}
      </div>
    </div>
  );
}

interface BarsProps {
  readonly lane: Lane;
  readonly begun: number;
  readonly length: number;
  readonly revision: number;
  readonly now: number;
}

const Bars = memo(function Bars({ lane, begun, length, now }: BarsProps) {
  const place = (moment: number) => ((moment - begun) / length) * WIDE;
  const bars = segments(lane, now, length / WIDE);
  const label = `Variation ${lane.number}: ${sentence(lane.doing)}, ${bars.length} stretches of work`;
  return (
    <svg
      className={styles.bars}
      viewBox={`0 0 ${WIDE} 10`}
      preserveAspectRatio="none"
      role="img"
      aria-label={label}
      style={{ "--lane": `var(--lane-${((lane.number - 1) % 8) + 1})` } as React.CSSProperties}
    >
      {lane.startedAt !== null && (
        <rect
          className={styles.life}
          x={place(lane.startedAt)}
          y={4.5}
          height={1}
          width={Math.max(1, place(lane.endedAt ?? now) - place(lane.startedAt))}
        />
      )}
      {bars.map((bar) => (
        <rect
          key={`${bar.kind}${bar.from}`}
          className={styles[bar.kind]}
          x={place(bar.from)}
          width={Math.max(1, place(bar.to) - place(bar.from))}
          y={bar.kind === "thinking" ? 3 : 1}
          height={bar.kind === "thinking" ? 4 : 8}
        />
      ))}
    </svg>
  );
});
