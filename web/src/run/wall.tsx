import { useMemo } from "react";
import type { RunStream } from "../stream/stream";
import type { RunView } from "../stream/types";
import { LaneColumn } from "./lane";
import { Rail } from "./rail";
import styles from "./wall.module.css";

interface Props {
  readonly runId: string;
  readonly stream: RunStream;
  /** What is shown: the stream's own view, or the run at an earlier moment. */
  readonly view: RunView;
  readonly current: number;
  readonly onCurrent: (lane: number) => void;
  readonly focus: number | null;
  readonly onFocus: (lane: number | null) => void;
  readonly onBench: (lane: number) => void;
}

/** The variations side by side; or one of them wide, and the others as a rail. */
export function Wall({ runId, stream, view, current, onCurrent, focus, onFocus, onBench }: Props) {
  const shared = useMemo(
    () => ({ runId, stream, isPast: view !== stream.view, onCurrent, onFocus, onBench }),
    [runId, stream, view, onCurrent, onFocus, onBench],
  );
  const shown = focus === null ? view.lanes : view.lanes.filter((lane) => lane.number === focus);
  return (
    <div className={styles.stage} data-focus={focus !== null || undefined}>
      <Rail
        lanes={view.lanes}
        current={focus ?? current}
        onPick={focus === null ? onCurrent : onFocus}
      />
      <div className={styles.wall} data-lanes={Math.min(shown.length, 4)}>
        {shown.map((lane) => (
          <LaneColumn
            key={lane.number}
            lane={lane}
            revision={lane.revision}
            isCurrent={lane.number === (focus ?? current)}
            isFocus={focus !== null}
            shared={shared}
          />
        ))}
      </div>
    </div>
  );
}
