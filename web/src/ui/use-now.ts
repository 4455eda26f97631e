import { createContext, useContext, useEffect, useState } from "react";

/** Time at which the views below are shown during a replay; null for the present. */
export const ReplayTime = createContext<number | null>(null);

/** Return the current time, updated every `every` milliseconds while `running`. */
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
