/** Event stream of one run, reduced to a view that React subscribes to. Independent of React. */
import { apiUrl, callApi } from "../api/client";
import type { Event as RunEvent } from "../api/schema.gen";
import {
  type Connection,
  type EventHandler,
  ReconnectingEventSource,
  type RefusalReason,
  refusalReason,
} from "./reconnecting-event-source";
import { applyEvent, emptyRunView } from "./reduce-run";
import type { EventKind, RunView } from "./run-view";

/** State of the connection, or the number of received events that the view does not show yet. */
export type StreamConnection =
  | Connection
  | { readonly state: "replaying"; readonly left: number }
  /** The stream brings nothing, though there are events: they are read page by page. */
  | { readonly state: "polling" };

// biome-ignore format: a list that the compiler keeps complete
const EVENT_KINDS: Record<EventKind, true> = {
  run_started: true, variation_started: true, variation_added: true, agent_output: true,
  tool_call: true, tool_call_update: true, plan: true, usage: true, setup: true, setup_output: true, sandbox_opened: true, host_asked: true,
  host_answered: true, checking: true, judging: true, check: true, variation_finished: true, variation_failed: true, cleared: true,
  evidence: true, verdict: true, selected: true, deselected: true, published: true, error: true,
  complete: true,
};

/** A connection that has brought nothing for this long is checked against the pages of events. */
const POLL_MS = 3_000;
const POLL_TIMEOUT_MS = 10_000;
const PAGE_SIZE = 1_000;

/** Shortest time between two updates of the page while events come in. */
const MIN_INTERVAL_MS = 160;
/** Time per frame for applying events; the rest waits for the next frame. */
const FRAME_BUDGET_MS = 8;

export class RunStream implements EventHandler {
  readonly view: RunView = emptyRunView();
  readonly eventNames = Object.keys(EVENT_KINDS);
  /** Increases with each change of the view or the connection. */
  revision = 0;

  readonly #id: string;
  readonly #source = new ReconnectingEventSource(this);
  readonly #listeners = new Set<() => void>();
  #pending: RunEvent[] = [];
  #isScheduled = false;
  #flushedAt = Number.NEGATIVE_INFINITY;
  /** Whether received events were left over from the last frame. */
  #isBehind = false;
  #pollTimer: ReturnType<typeof setInterval> | null = null;
  #isReading = false;
  /** Whether the newest events came from pages, because the stream did not bring them. */
  #isPolling = false;

  constructor(id: string) {
    this.#id = id;
  }

  get connection(): StreamConnection {
    const { connection } = this.#source;
    if (connection.state === "ended" || connection.state === "refused") return connection;
    if (connection.state === "offline") return connection;
    if (this.#isPolling) return { state: "polling" };
    if (this.#isBehind && connection.state === "live")
      return { state: "replaying", left: this.#pending.length };
    return connection;
  }

  subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    if (this.#listeners.size === 1) this.#start();
    return () => {
      this.#listeners.delete(listener);
      if (this.#listeners.size === 0) this.#stop();
    };
  };

  #start(): void {
    this.#source.start();
    this.#pollTimer = setInterval(() => void this.#poll(), POLL_MS);
  }

  #stop(): void {
    this.#source.stop();
    if (this.#pollTimer !== null) clearInterval(this.#pollTimer);
  }

  /** Connect again: a follow-up or a decision adds events to an ended run. */
  resume(): void {
    this.#isPolling = false;
    this.#source.connect();
  }

  url(): string {
    const after = this.#lastReceivedSeq();
    return apiUrl("GET /runs/{run_id}/stream", { run_id: this.#id }, { after, interactive: true });
  }

  onMessage(message: MessageEvent<string>): void {
    this.#isPolling = false;
    this.#pending.push(JSON.parse(message.data) as RunEvent);
    this.#schedule();
  }

  /**
   * Read the next pages of events where the stream has brought none: it may be blocked or held
   * back by a proxy.
   */
  async #poll(): Promise<void> {
    const { state } = this.#source.connection;
    const isOver = state === "ended" || state === "refused" || state === "offline";
    if (isOver || document.hidden || this.#isReading || this.#source.hasDelivered) return;
    this.#isReading = true;
    try {
      await this.#readPages();
    } catch {
      // The server does not answer: the connection's state tells that already.
    } finally {
      this.#isReading = false;
    }
  }

  async #readPages(): Promise<void> {
    let next: number | null = this.#lastReceivedSeq();
    while (next !== null && !this.#source.hasDelivered) {
      const page: { events: readonly RunEvent[]; next: number | null } = await callApi(
        "GET /runs/{run_id}/events",
        {
          path: { run_id: this.#id },
          query: { after: next, limit: PAGE_SIZE },
          signal: AbortSignal.timeout(POLL_TIMEOUT_MS),
        },
      );
      if (this.#source.hasDelivered || page.events.length === 0) break;
      this.#isPolling = true;
      this.#pending.push(...page.events);
      this.#schedule();
      next = page.next;
    }
    if (this.#isPolling && this.isComplete()) {
      this.#isPolling = false;
      this.#source.end();
    }
  }

  #lastReceivedSeq(): number {
    return this.#pending.at(-1)?.seq ?? this.view.lastSeq;
  }

  isComplete(): boolean {
    return (this.#pending.at(-1)?.body.kind ?? this.view.lastKind) === "complete";
  }

  async fetchRefusal(): Promise<RefusalReason | null> {
    try {
      const { status } = await fetch(apiUrl("GET /runs/{run_id}", { run_id: this.#id }));
      return refusalReason(status);
    } catch {
      return null;
    }
  }

  onConnectionChange(): void {
    this.#notify();
  }

  #notify(): void {
    this.revision += 1;
    for (const listener of this.#listeners) listener();
  }

  /**
   * Apply events in a frame: the first at once, those of a flood together, so that reading them
   * costs little.
   */
  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    const wait = this.#isBehind ? 0 : this.#flushedAt + MIN_INTERVAL_MS - performance.now();
    const inFrame = () => requestAnimationFrame(() => this.#flush());
    if (wait > 0) setTimeout(inFrame, wait);
    else inFrame();
  }

  #flush(): void {
    this.#isScheduled = false;
    const start = performance.now();
    this.#flushedAt = start;
    let applied = 0;
    for (const event of this.#pending) {
      applyEvent(this.view, event);
      applied += 1;
      if (applied % 64 === 0 && performance.now() - start > FRAME_BUDGET_MS) break;
    }
    this.#pending = this.#pending.slice(applied);
    this.#isBehind = this.#pending.length > 0;
    this.#notify();
    if (this.#isBehind) this.#schedule();
  }
}
