import { createContext, useContext, useEffect, useState } from "react";

/** The moment that everything below is shown at, while a run is replayed; null is the present. */
export const ReplayTime = createContext<number | null>(null);

/** The present moment, moving on every `every` milliseconds while `running`; then it stands still. */
export function useNow(every = 1_000, running = true): number {
  const shown = useContext(ReplayTime);
  const [now, setNow] = useState(Date.now);
  const isMoving = running && shown === null;
  useEffect(() => {
    if (!isMoving) return;
    setNow(Date.now());
    const timer = setInterval(() => setNow(Date.now()), every);
    return () => clearInterval(timer);
  }, [every, isMoving]);
  return shown ?? now;
}
