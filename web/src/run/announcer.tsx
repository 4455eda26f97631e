import { useEffect, useRef, useState } from "react";
import type { RunView } from "../stream/types";

const AT_MOST_EVERY_MS = 3_000;

/** Says aloud which variation ended, and how: never the stream itself, and never in a flood. */
export function Announcer({ view }: { view: RunView }) {
  const [said, setSaid] = useState("");
  const states = view.lanes.map(
    (lane) => `${lane.number} ${lane.endedAt === null ? "at work" : lane.doing.word}`,
  );
  const now =
    view.status === null ? `Variations: ${states.join(", ")}` : `The run is ${view.status}`;
  const last = useRef(0);
  useEffect(() => {
    const wait = Math.max(0, last.current + AT_MOST_EVERY_MS - Date.now());
    const timer = setTimeout(() => {
      last.current = Date.now();
      setSaid(now);
    }, wait);
    return () => clearTimeout(timer);
  }, [now]);
  return (
    <p className="only-read-aloud" role="status" aria-live="polite">
      {said}
    </p>
  );
}
