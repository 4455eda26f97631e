import { Suspense, useCallback, useState } from "react";
import type { RunDetails } from "../api/schema.gen";
import { useKeys } from "../app/keys";
import { lazily } from "../app/lazily";
import { goToLogin } from "../app/query";
import { navigate, type Params, setQuery, useQueryValue } from "../app/router";
import type { RunStream } from "../stream/stream";
import { useDetails } from "../stream/use-run";
import { Empty, Skeleton } from "../ui/states";
import { ShownMoment } from "../ui/time";
import { Announcer } from "./announcer";
import { RunHeader } from "./header";
import { Outcome } from "./outcome";
import styles from "./run.module.css";
import { usePlayer } from "./use-replay";
import { Wall } from "./wall";

const Bench = lazily(() => import("../workbench/bench").then((module) => module.Bench));
const Race = lazily(() => import("./race").then((module) => module.Race));

export function RunPage({ params }: { params: Params }) {
  const id = params.id ?? "";
  const { details, stream } = useDetails(id);
  const { view, connection } = stream;
  if (connection.state === "refused" && connection.why === "gone") {
    return (
      <Empty top title="There is no such run">
        It may belong to another server, or the address is cut short.
      </Empty>
    );
  }
  if (details.isError) goToLogin(details.error);
  if (view.lastSeq === 0) return <Skeleton />;
  return <Run id={id} stream={stream} details={details.data} />;
}

interface RunProps {
  readonly id: string;
  readonly stream: RunStream;
  readonly details: RunDetails | undefined;
}

function Run({ id, stream, details }: RunProps) {
  const { view } = stream;
  const focus = useFocus(view.lanes.length);
  const [current, setCurrent] = useState(1);
  const [race, setRace] = useQueryValue("race");
  const bench = useBench();
  const benched = view.lanes[(laneIn(bench.value, view.lanes.length) ?? 0) - 1];
  const player = usePlayer(id, view.status !== null);
  const shown = player?.view ?? view;
  const toggleRace = () => setRace(race === null ? "1" : null);
  useKeys([{ key: "t", does: "Show or hide the timeline", run: toggleRace }]);
  useKeys([
    { key: "`", does: "Open a terminal in the variation", run: () => bench.open(focus ?? current) },
  ]);
  useLaneKeys(view.lanes.length, current, setCurrent, focus);

  return (
    <div className={styles.page}>
      <RunHeader id={id} stream={stream} details={details} onTimeline={toggleRace} />
      <Outcome id={id} view={shown} />
      {(race !== null || player) && (
        <Suspense>
          <Race view={view} player={player} />
        </Suspense>
      )}
      <ShownMoment value={player ? (view.firstAt ?? 0) + player.at : null}>
        <Wall
          runId={id}
          stream={stream}
          view={shown}
          current={current}
          onCurrent={setCurrent}
          focus={focus}
          onFocus={setFocus}
          onBench={bench.open}
        />
      </ShownMoment>
      {benched && !player && (
        <Suspense>
          <Bench
            key={benched.number}
            runId={id}
            number={benched.number}
            turn={`${benched.attempt} ${benched.startedAt} ${benched.endedAt}`}
            asked={bench.asked}
          />
        </Suspense>
      )}
      <Announcer view={view} />
    </div>
  );
}

/** The lane whose workbench is open, kept in the address; it says how often a person has asked for a terminal there. */
function useBench() {
  const [value] = useQueryValue("bench");
  const [asked, setAsked] = useState(0);
  const open = useCallback((lane: number) => {
    setQuery({ bench: String(lane), show: null });
    setAsked((before) => before + 1);
  }, []);
  return { value, asked, open };
}

/** The lane that fills the page, kept in the address; null shows all. */
function useFocus(lanes: number): number | null {
  const [value] = useQueryValue("focus");
  return laneIn(value, lanes);
}

function setFocus(lane: number | null): void {
  setQuery({ focus: lane === null ? null : String(lane) });
}

function laneIn(value: string | null, lanes: number): number | null {
  const wanted = Number(value);
  return Number.isInteger(wanted) && wanted >= 1 && wanted <= lanes ? wanted : null;
}

function useLaneKeys(
  count: number,
  current: number,
  setCurrent: (lane: number) => void,
  focus: number | null,
): void {
  const go = (lane: number) => {
    const next = Math.min(Math.max(lane, 1), count);
    setCurrent(next);
    if (focus !== null) setFocus(next);
    document
      .getElementById(`lane-${next}`)
      ?.scrollIntoView({ inline: "nearest", block: "nearest" });
  };
  useKeys([
    { key: "j", does: "Next variation", run: () => go(current + 1) },
    { key: "k", does: "Previous variation", run: () => go(current - 1) },
    {
      key: "f",
      does: "Show one variation, or all",
      run: () => setFocus(focus === null ? current : null),
    },
    { key: "Escape", does: "Back to all variations", run: () => setFocus(null) },
    {
      key: "d",
      does: "Compare the variations",
      run: () => navigate(`${location.pathname}/compare`),
    },
    ...Array.from({ length: Math.min(count, 9) }, (_, index) => ({
      key: String(index + 1),
      does: `Show variation ${index + 1}`,
      run: () => {
        setCurrent(index + 1);
        setFocus(index + 1);
      },
    })),
  ]);
}
