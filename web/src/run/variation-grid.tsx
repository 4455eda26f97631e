import { useMemo } from "react";
import type { RunStream } from "../stream/run-stream";
import type { RunView } from "../stream/run-view";
import styles from "./variation-grid.module.css";
import { VariationList } from "./variation-list";
import { VariationPanel } from "./variation-panel";

interface Props {
  readonly runId: string;
  readonly stream: RunStream;
  /** View to show: that of the stream, or the replay's. */
  readonly view: RunView;
  readonly isPast: boolean;
  readonly current: number;
  readonly onCurrent: (variation: number) => void;
  readonly focus: number | null;
  readonly onFocus: (variation: number | null) => void;
  readonly onWorkbench: (variation: number) => void;
}

/** Variations side by side, or one of them with a list of the others. */
export function VariationGrid({
  runId,
  stream,
  view,
  isPast,
  current,
  onCurrent,
  focus,
  onFocus,
  onWorkbench,
}: Props) {
  const runEndedAt = view.status === null ? null : view.endedAt;
  const shared = useMemo(
    () => ({ runId, stream, isPast, runEndedAt, onCurrent, onFocus, onWorkbench }),
    [runId, stream, isPast, runEndedAt, onCurrent, onFocus, onWorkbench],
  );
  const shown =
    focus === null
      ? view.variations
      : view.variations.filter((variation) => variation.number === focus);
  return (
    <div className={styles.layout} data-focus={focus !== null || undefined}>
      <VariationList
        variations={view.variations}
        current={focus ?? current}
        onPick={focus === null ? onCurrent : onFocus}
      />
      <div className={styles.grid} data-count={Math.min(shown.length, 4)}>
        {shown.map((variation) => (
          <VariationPanel
            key={variation.number}
            variation={variation}
            revision={variation.revision}
            isCurrent={variation.number === (focus ?? current)}
            isFocus={focus !== null}
            shared={shared}
          />
        ))}
      </div>
    </div>
  );
}
