import { useEffect, useRef, useState } from "react";
import type { RunView } from "../stream/run-view";

const MIN_INTERVAL_MS = 3_000;

/**
 * Tell screen readers which variations ended, and how. The stream itself is not read out, and
 * messages are rate-limited.
 */
export function StatusAnnouncer({ view }: { view: RunView }) {
  const [said, setSaid] = useState("");
  const states = view.variations.map(
    (variation) =>
      `${variation.number} ${variation.endedAt === null ? "at work" : variation.activity.state}`,
  );
  const now =
    view.status === null ? `Variations: ${states.join(", ")}` : `The run is ${view.status}`;
  const last = useRef(0);
  useEffect(() => {
    const wait = Math.max(0, last.current + MIN_INTERVAL_MS - Date.now());
    const timer = setTimeout(() => {
      last.current = Date.now();
      setSaid(now);
    }, wait);
    return () => clearTimeout(timer);
  }, [now]);
  return (
    <p className="visually-hidden" role="status" aria-live="polite">
      {said}
    </p>
  );
}
