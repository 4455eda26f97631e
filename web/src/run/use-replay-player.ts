import { useQuery } from "@tanstack/react-query";
import { useEffect, useMemo, useRef, useState } from "react";
import { setQueryValues, useQueryValue } from "../app/router";
import { fetchAllEvents, Replay } from "../stream/replay";
import type { RunView } from "../stream/run-view";

export const SPEEDS = [1, 4, 16, 64] as const;

export interface ReplayPlayer {
  readonly view: RunView | null;
  readonly at: number;
  readonly length: number;
  readonly playing: boolean;
  readonly speed: number;
  readonly error: Error | null;
  readonly seek: (at: number) => void;
  readonly toggle: () => void;
  readonly setSpeed: (speed: number) => void;
  readonly leave: () => void;
}

/** Replay an ended run from the time in the query parameter `at`; null without that parameter. */
export function useReplayPlayer(runId: string, isOver: boolean): ReplayPlayer | null {
  const [value] = useQueryValue("at");
  const isOpen = value !== null && isOver;
  const events = useQuery({
    queryKey: ["replay", runId],
    queryFn: ({ signal }) => fetchAllEvents(runId, signal),
    enabled: isOpen,
    staleTime: Number.POSITIVE_INFINITY,
    gcTime: 0,
  });
  const replay = useMemo(() => (events.data ? new Replay(events.data) : null), [events.data]);
  const [at, setAt] = useState(Number(value) * 1000 || 0);
  const [playing, setPlaying] = useState(true);
  const [speed, setSpeed] = useState<number>(4);
  const length = replay?.length ?? 0;
  useFrameTimer(isOpen && playing && replay !== null, speed, (elapsed) =>
    setAt((before) => Math.min(before + elapsed, length)),
  );
  useEffect(() => {
    if (length > 0 && at >= length) setPlaying(false);
  }, [at, length]);
  if (!isOpen) return null;

  const remember = (time: number) => setQueryValues({ at: (time / 1000).toFixed(1) });
  return {
    view: replay?.seek(at) ?? null,
    at,
    length,
    playing,
    speed,
    error: events.error,
    seek: (time) => {
      setAt(time);
      remember(time);
    },
    toggle: () => {
      if (!playing && at >= length) setAt(0);
      setPlaying(!playing);
      remember(at);
    },
    setSpeed,
    leave: () => setQueryValues({ at: null }),
  };
}

/** Call back on every frame with the milliseconds of the run that have passed. */
function useFrameTimer(running: boolean, speed: number, move: (elapsed: number) => void): void {
  const latest = useRef(move);
  latest.current = move;
  useEffect(() => {
    if (!running) return;
    let last = performance.now();
    let frame = requestAnimationFrame(function step(now) {
      latest.current((now - last) * speed);
      last = now;
      frame = requestAnimationFrame(step);
    });
    return () => cancelAnimationFrame(frame);
  }, [running, speed]);
}
