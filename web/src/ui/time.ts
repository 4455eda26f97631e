import { useEffect, useState } from "react";

/** The present moment, moving on every `every` milliseconds while `running`; then it stands still. */
export function useNow(every = 1_000, running = true): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    if (!running) return;
    setNow(Date.now());
    const timer = setInterval(() => setNow(Date.now()), every);
    return () => clearInterval(timer);
  }, [every, running]);
  return now;
}
