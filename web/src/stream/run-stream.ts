/** One run, heard over one line and kept as a view. React subscribes to it; nothing here knows React. */
import { apiUrl } from "../api/client";
import type { Event as RunEvent } from "../api/schema.gen";
import {
  type Connection as Connected,
  type EventHandler,
  ReconnectingEventSource,
  type RefusalReason,
  refusalReason,
} from "./reconnecting-event-source";
import { applyEvent, emptyRunView } from "./reduce-run";
import type { EventKind, RunView } from "./run-view";

/** How the browser stands to the server, and how much of what it has heard is not shown yet. */
export type StreamConnection = Connected | { readonly state: "replaying"; readonly left: number };

// biome-ignore format: a list that the compiler keeps complete
const EVENT_KINDS: Record<EventKind, true> = {
  run_started: true, variation_started: true, variation_added: true, agent_output: true, tool_call: true,
  tool_call_update: true, plan: true, usage: true, setup: true, judging: true, check: true, variation_finished: true,
  variation_failed: true, cleared: true, evidence: true, verdict: true, selected: true, deselected: true,
  published: true, error: true, complete: true,
};

/** Milliseconds of drawing after which the rest waits for the next frame. */
const FRAME_BUDGET_MS = 8;

export class RunStream implements EventHandler {
  readonly view: RunView = emptyRunView();
  readonly eventNames = Object.keys(EVENT_KINDS);
  /** Goes up whenever something is to be drawn. */
  revision = 0;

  readonly #id: string;
  readonly #line = new ReconnectingEventSource(this);
  readonly #listeners = new Set<() => void>();
  #pending: RunEvent[] = [];
  #frame: number | null = null;
  /** Whether one frame was not enough to show what was heard. */
  #isBehind = false;

  constructor(id: string) {
    this.#id = id;
  }

  get connection(): StreamConnection {
    const isBehind = this.#isBehind && this.#line.connection.state === "live";
    return isBehind ? { state: "replaying", left: this.#pending.length } : this.#line.connection;
  }

  subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    if (this.#listeners.size === 1) this.#line.start();
    return () => {
      this.#listeners.delete(listener);
      if (this.#listeners.size === 0) this.#line.stop();
    };
  };

  /** Listen again: after a follow-up or a decision, an ended run goes on. */
  resume(): void {
    this.#line.connect();
  }

  url(): string {
    const after = this.#pending.at(-1)?.seq ?? this.view.lastSeq;
    return apiUrl("GET /runs/{run_id}/stream", { run_id: this.#id }, { after });
  }

  onMessage(message: MessageEvent<string>): void {
    this.#pending.push(JSON.parse(message.data) as RunEvent);
    this.#schedule();
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
    this.revision += 1;
    for (const listener of this.#listeners) listener();
  }

  /** Draw at most once a frame, and never for so long that a frame is missed. */
  #schedule(): void {
    this.#frame ??= requestAnimationFrame(() => this.#flush());
  }

  #flush(): void {
    this.#frame = null;
    const begun = performance.now();
    let done = 0;
    for (const event of this.#pending) {
      applyEvent(this.view, event);
      done += 1;
      if (done % 64 === 0 && performance.now() - begun > FRAME_BUDGET_MS) break;
    }
    this.#pending = this.#pending.slice(done);
    this.#isBehind = this.#pending.length > 0;
    this.onConnectionChange();
    if (this.#isBehind) this.#schedule();
  }
}
