import { memo, useState } from "react";
import { call } from "../api/client";
import type { RunStream } from "../stream/stream";
import type { Lane } from "../stream/types";
import { Button } from "../ui/button";
import { Chip, LaneMark } from "../ui/chip";
import { count, duration, money, plural, span } from "../ui/format";
import { line } from "../ui/plain";
import { useNow } from "../ui/time";
import { toastError } from "../ui/toast";
import styles from "./lane.module.css";
import { PlanList } from "./plan";
import { PromptDialog } from "./prompt-dialog";
import { Transcript } from "./transcript";
import { isSettled, seatName, sentence, sign, tests } from "./words";

export interface Shared {
  readonly runId: string;
  readonly stream: RunStream;
  /** Whether an earlier moment is shown, at which nothing can be stopped or asked. */
  readonly isPast: boolean;
  readonly onCurrent: (lane: number) => void;
  readonly onFocus: (lane: number | null) => void;
  /** Try it: terminals and previews in its sandbox. */
  readonly onBench: (lane: number) => void;
}

interface Props {
  readonly lane: Lane;
  /** The lane is changed in place: this says that it was. */
  readonly revision: number;
  readonly isCurrent: boolean;
  readonly isFocus: boolean;
  readonly shared: Shared;
}

/** One variation: who, in which state, at what cost, and everything that it says and does. */
export const LaneColumn = memo(function LaneColumn({
  lane,
  revision,
  isCurrent,
  isFocus,
  shared,
}: Props) {
  return (
    <section
      id={`lane-${lane.number}`}
      className={styles.lane}
      style={{ "--lane": `var(--lane-${((lane.number - 1) % 8) + 1})` } as React.CSSProperties}
      data-current={isCurrent || undefined}
      aria-label={`Variation ${lane.number}, ${seatName(lane)}`}
      onFocusCapture={() => shared.onCurrent(lane.number)}
    >
      <header className={styles.head}>
        <LaneMark number={lane.number} />
        <h2 className="clip" title={lane.seat.instructions || undefined}>
          {seatName(lane)}
          {lane.seat.instructions && <span className="dim"> · {line(lane.seat.instructions)}</span>}
        </h2>
        <LaneActions lane={lane} isFocus={isFocus} shared={shared} />
      </header>
      <Now lane={lane} />
      <Counters lane={lane} />
      <PlanList entries={lane.plan} isOver={isSettled(lane)} />
      <Transcript lane={lane} revision={revision} />
    </section>
  );
});

/** The state, in a line that never lies: it comes from the log, with the time since it began. */
function Now({ lane }: { lane: Lane }) {
  const isOver = isSettled(lane);
  const now = useNow(1_000, !isOver);
  const { glyph, tone } = sign(lane.doing);
  const text = sentence(lane.doing);
  return (
    <p className={styles.now} title={text}>
      <Chip tone={tone} glyph={glyph}>
        {isOver ? lane.doing.word : ""}
      </Chip>
      <span className="clip">{isOver ? endReason(lane) : text}</span>
      <span className="num dim">{isOver ? duration(lasted(lane)) : span(now - lane.since)}</span>
    </p>
  );
}

/** Why it failed or was stopped; empty when it is done. */
function endReason({ doing }: Lane): string {
  return "what" in doing ? line(doing.what) : "";
}

function lasted({ startedAt, endedAt }: Lane): number {
  return startedAt === null || endedAt === null ? 0 : endedAt - startedAt;
}

function Counters({ lane }: { lane: Lane }) {
  const { usage, verdict } = lane;
  const ran = tests(lane);
  const files = verdict?.patch.files ?? lane.touched.size;
  return (
    <ul className={styles.counters}>
      <li className="num">{`${count((usage.input_tokens ?? 0) + (usage.output_tokens ?? 0))} tokens`}</li>
      <li className="num">{money(usage.cost_usd)}</li>
      <li className="num">
        {plural(files, "file")}
        {verdict && (
          <>
            {" "}
            <span className={styles.added}>+{verdict.patch.additions ?? 0}</span>{" "}
            <span className={styles.removed}>−{verdict.patch.deletions ?? 0}</span>
          </>
        )}
      </li>
      {ran.good + ran.bad > 0 && (
        <li className="num">
          <span className={styles.added}>{ran.good}✓</span>{" "}
          <span className={ran.bad > 0 ? styles.removed : undefined}>{ran.bad}✗</span>
          {ran.final ? "" : " so far"}
        </li>
      )}
    </ul>
  );
}

function LaneActions({ lane, isFocus, shared }: { lane: Lane; isFocus: boolean; shared: Shared }) {
  const [prompting, setPrompting] = useState(false);
  const [busy, setBusy] = useState(false);
  const stop = async () => {
    setBusy(true);
    try {
      const path = { run_id: shared.runId, number: lane.number };
      await call("POST /runs/{run_id}/variations/{number}/cancel", { path });
    } catch (error) {
      toastError(error);
    } finally {
      setBusy(false);
    }
  };
  return (
    <div className={styles.actions}>
      {!shared.isPast && lane.startedAt !== null && (
        <Button
          look="quiet"
          size="s"
          icon="terminal"
          bare
          onClick={() => shared.onBench(lane.number)}
        >
          {`Terminal in variation ${lane.number}`}
        </Button>
      )}
      {!shared.isPast &&
        (isSettled(lane) ? (
          <Button look="quiet" size="s" icon="send" bare onClick={() => setPrompting(true)}>
            {`Prompt variation ${lane.number}`}
          </Button>
        ) : (
          <Button look="quiet" size="s" icon="stop" bare busy={busy} onClick={stop}>
            {`Stop variation ${lane.number}`}
          </Button>
        ))}
      <Button
        look="quiet"
        size="s"
        icon={isFocus ? "columns" : "expand"}
        bare
        onClick={() => shared.onFocus(isFocus ? null : lane.number)}
      >
        {isFocus ? "Show all variations" : `Show variation ${lane.number} alone`}
      </Button>
      {prompting && (
        <PromptDialog
          runId={shared.runId}
          lanes={[lane.number]}
          stream={shared.stream}
          onClose={() => setPrompting(false)}
        />
      )}
    </div>
  );
}
