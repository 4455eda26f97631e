/**
 * Runs that need a decision: their number is in the tab's icon, and a new one is notified when a
 * person asked for it and looks elsewhere.
 */
import { useEffect, useRef, useState } from "react";
import type { Summary } from "../api/schema.gen";
import { visibleLine } from "../ui/visible-text";
import { useGet } from "./api-query";
import { navigate } from "./router";

const REFETCH_MS = 15_000;
/** More open decisions than this are not counted. */
export const MAX_ATTENTION = 50;
const NOTIFY_KEY = "notify";

/** Return the runs that need a decision, newest first. */
export function useAttention(): readonly Summary[] {
  const found = useGet(
    "GET /overview",
    { query: { status: ["finished", "interrupted"], limit: MAX_ATTENTION } },
    { refetchInterval: REFETCH_MS, refetchIntervalInBackground: true },
  );
  return found.data?.runs ?? [];
}

/** Show the number of open decisions in the tab's icon, and notify of new ones. */
export function AttentionWatcher() {
  const waiting = useAttention();
  const known = useRef<ReadonlySet<string> | null>(null);
  const ids = waiting.map((run) => run.id).join();
  useEffect(() => setFavicon(waiting.length), [waiting.length]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: the ids tell of a change
  useEffect(() => {
    const before = known.current;
    known.current = new Set(waiting.map((run) => run.id));
    if (before === null || !document.hidden || !isNotifying()) return;
    for (const run of waiting) if (!before.has(run.id)) notify(run);
  }, [ids]);
  return null;
}

function notify(run: Summary): void {
  const shown = new Notification("A run needs your decision", {
    body: visibleLine(run.prompt).slice(0, 120),
    tag: run.id,
  });
  shown.onclick = () => {
    window.focus();
    navigate(`/runs/${run.id}`);
    shown.close();
  };
}

function isNotifying(): boolean {
  try {
    return (
      "Notification" in window &&
      Notification.permission === "granted" &&
      localStorage.getItem(NOTIFY_KEY) === "on"
    );
  } catch {
    return false;
  }
}

/** Whether notifications are on, and a function that turns them on or off. */
export function useNotifications(): readonly [boolean, () => Promise<void>] {
  const [on, setOn] = useState(isNotifying);
  const toggle = async () => {
    if (!("Notification" in window)) return;
    if (!on && Notification.permission !== "granted") await Notification.requestPermission();
    try {
      localStorage.setItem(NOTIFY_KEY, on ? "off" : "on");
    } catch {
      // The browser refuses storage.
    }
    setOn(isNotifying());
  };
  return [on, toggle];
}

/** Draw the icon of the tab, with a number from 1 on. */
function setFavicon(count: number): void {
  const link = document.querySelector<HTMLLinkElement>('link[rel="icon"]');
  if (link === null) return;
  link.href = count === 0 ? "/icon.svg" : `data:image/svg+xml,${encodeURIComponent(badge(count))}`;
}

function badge(count: number): string {
  const text = count > 9 ? "9+" : String(count);
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><circle cx="16" cy="16" r="16" fill="#0f7a5a"/><text x="16" y="23" font-family="sans-serif" font-size="19" font-weight="700" fill="#fff" text-anchor="middle">${text}</text></svg>`;
}
