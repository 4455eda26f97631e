import { memo } from "react";
import type { RunView, VariationView } from "../stream/run-view";
import { VariationBadge, variationColour } from "../ui/chip";
import { formatDuration, pluralize } from "../ui/format";
import { useNow } from "../ui/use-now";
import styles from "./timeline.module.css";
import { axisTicks, timelineSegments } from "./timeline-segments";
import { activityText } from "./variation-labels";

/** Width of the drawing in its own units, independent of the width on the screen. */
const UNITS = 1000;
const MAX_TICKS = 8;

interface Props {
  readonly view: RunView;
  /** Position of the replay in milliseconds; null shows the whole run. */
  readonly at: number | null;
}

/** Activity of all variations on a common time axis. */
export function Timeline({ view, at }: Props) {
  const isAtWork = view.status === null;
  const now = useNow(500, isAtWork);
  const start = view.firstAt ?? now;
  const end = isAtWork ? now : (view.endedAt ?? view.lastAt ?? now);
  const length = Math.max(1000, end - start);
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: the keyboard must reach what scrolls
    <section className={styles.timeline} aria-label="Activity" tabIndex={0}>
      {view.variations.map((variation) => (
        <div key={variation.number} className={styles.row}>
          <VariationBadge number={variation.number} />
          <VariationBars
            variation={variation}
            start={start}
            length={length}
            revision={variation.revision}
            now={isAtWork ? now : end}
          />
        </div>
      ))}
      <div className={styles.axis} aria-hidden="true">
        {axisTicks(length, MAX_TICKS).map((tick) => (
          <span key={tick} style={{ left: `${(tick / length) * 100}%` }}>
            {formatDuration(tick)}
          </span>
        ))}
        {at === null && view.decisions.length > 0 && (
          <span className={styles.decisions}>{decisionText(view)}</span>
        )}
        {at !== null && (
          <i className={styles.cursor} style={{ left: `${Math.min(1, at / length) * 100}%` }} />
        )}
      </div>
    </section>
  );
}

const DECISION_TEXTS = {
  selected: "★ chosen",
  deselected: "choice undone",
  published: "published",
} as const;

/** Tell what people did after the end of the work, which the axis does not reach. */
function decisionText({ decisions, endedAt }: RunView): string {
  return decisions
    .slice(-3)
    .map(({ kind, at }) => `${DECISION_TEXTS[kind]} ${formatDuration(at - (endedAt ?? at))} later`)
    .join(" · ");
}

interface BarsProps {
  readonly variation: VariationView;
  readonly start: number;
  readonly length: number;
  readonly revision: number;
  readonly now: number;
}

const VariationBars = memo(function VariationBars({ variation, start, length, now }: BarsProps) {
  const toUnits = (time: number) => ((time - start) / length) * UNITS;
  const bars = timelineSegments(variation, now, length / UNITS);
  const activity = activityText(variation.activity);
  const periods = pluralize(bars.length, "period");
  const label = `Variation ${variation.number}: ${activity}, ${periods} of activity`;
  return (
    <svg
      className={styles.bars}
      viewBox={`0 0 ${UNITS} 10`}
      preserveAspectRatio="none"
      role="img"
      aria-label={label}
      style={
        {
          "--variation-colour": variationColour(variation.number),
        } as React.CSSProperties
      }
    >
      <rect
        className={styles.waiting}
        x={0}
        y={4.5}
        height={1}
        width={Math.max(0, toUnits(variation.startedAt ?? now))}
      />
      {variation.startedAt !== null && (
        <rect
          className={styles.lifetime}
          x={toUnits(variation.startedAt)}
          y={4.5}
          height={1}
          width={Math.max(1, toUnits(variation.endedAt ?? now) - toUnits(variation.startedAt))}
        />
      )}
      {bars.map((bar) => (
        <rect
          key={`${bar.kind}${bar.from}`}
          className={styles[bar.kind]}
          x={toUnits(bar.from)}
          width={Math.max(1, toUnits(bar.to) - toUnits(bar.from))}
          y={bar.kind === "thinking" ? 3 : 1}
          height={bar.kind === "thinking" ? 4 : 8}
        />
      ))}
    </svg>
  );
});
