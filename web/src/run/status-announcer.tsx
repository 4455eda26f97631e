import { useEffect, useRef, useState } from "react";
import type { RunStatus } from "../api/schema.gen";
import type { RunView } from "../stream/run-view";

const END_TEXTS: Readonly<Partial<Record<RunStatus, string>>> = {
  finished: "The run finished",
  decided: "The run is decided",
  failed: "The run failed",
  cancelled: "The run was cancelled",
  interrupted: "The run was interrupted",
};
const MIN_INTERVAL_MS = 3_000;

/**
 * Tell screen readers which variations ended, and how. The stream itself is not read out, and
 * messages are rate-limited.
 */
export function StatusAnnouncer({ view }: { view: RunView }) {
  const [message, setMessage] = useState("");
  const states = view.variations.map(
    (variation) =>
      `${variation.number} ${variation.endedAt === null ? "running" : variation.activity.state}`,
  );
  const now =
    view.status === null
      ? `Variations: ${states.join(", ")}`
      : (END_TEXTS[view.status] ?? `The run is ${view.status}`);
  const last = useRef(0);
  useEffect(() => {
    const wait = Math.max(0, last.current + MIN_INTERVAL_MS - Date.now());
    const timer = setTimeout(() => {
      last.current = Date.now();
      setMessage(now);
    }, wait);
    return () => clearTimeout(timer);
  }, [now]);
  return (
    <p className="visually-hidden" role="status" aria-live="polite">
      {message}
    </p>
  );
}
