/** Replay of a finished run: the same reducer, fed with the events up to a point in time. */
import { callApi } from "../api/client";
import type { Event } from "../api/schema.gen";
import { applyEvent, emptyRunView } from "./reduce-run";
import type { RunView } from "./run-view";

const PAGE_SIZE = 1_000;

/** Fetch all events of a run, in order. */
export async function fetchAllEvents(
  runId: string,
  signal: AbortSignal,
): Promise<readonly Event[]> {
  const all: Event[] = [];
  let after: number | null = 0;
  while (after !== null) {
    const path = { run_id: runId };
    const page: { events: readonly Event[]; next: number | null } = await callApi(
      "GET /runs/{run_id}/events",
      {
        path,
        query: { after, limit: PAGE_SIZE },
        signal,
      },
    );
    all.push(...page.events);
    after = page.next;
  }
  return all;
}

/** Return the index of the event that ended the last work; of the last event if none did. */
function endOfWork(events: readonly Event[]): number {
  const started = events.findLastIndex((event) => event.body.kind === "run_started");
  const ended = events.findIndex(
    (event, index) => index > started && event.body.kind === "complete",
  );
  return ended === -1 ? events.length - 1 : ended;
}

export class Replay {
  view: RunView = emptyRunView();
  readonly length: number;
  readonly #events: readonly Event[];
  readonly #times: readonly number[];
  #next = 0;

  constructor(events: readonly Event[]) {
    this.#events = events;
    const start = Date.parse(events[0]?.at ?? "");
    this.#times = events.map((event) => Date.parse(event.at) - start);
    this.length = this.#times[endOfWork(events)] ?? 0;
  }

  /**
   * Return the view `at` milliseconds after the first event. Seeking backwards starts from the
   * first event, since a view cannot be reverted.
   */
  seek(at: number): RunView {
    const before = this.#next > 0 ? (this.#times[this.#next - 1] ?? 0) : -1;
    if (at < before) {
      this.view = emptyRunView();
      this.#next = 0;
    }
    // The decisions follow the work, maybe days later: the end of the replay has them all.
    const until = at >= this.length ? Number.POSITIVE_INFINITY : at;
    while (this.#next < this.#events.length && (this.#times[this.#next] ?? 0) <= until) {
      const event = this.#events[this.#next];
      if (event) applyEvent(this.view, event);
      this.#next += 1;
    }
    return this.view;
  }
}
