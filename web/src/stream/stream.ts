/**
 * One run, heard over one EventSource and kept as a view. React subscribes to it; nothing here knows React.
 *
 * The browser reconnects by itself with `Last-Event-ID`. What it does not do is done here: it gives up after an answer
 * that is no stream (a restarting server, a proxy), and does not notice a connection that died while the machine slept.
 * Whatever happens, events at or below the last seq are ignored, so a resume can neither lose nor double one.
 */
import { address } from "../api/client";
import type { Event as RunEvent } from "../api/schema.gen";
import { apply, emptyRun } from "./reduce";
import type { Kind, RunView } from "./types";

/** How the browser stands to the server. It says nothing about the run. */
export type Connection =
  | { readonly state: "connecting" | "live" | "ended" }
  | { readonly state: "replaying"; readonly left: number }
  | { readonly state: "reconnecting"; readonly since: number }
  | { readonly state: "refused"; readonly why: "gone" | "unauthorized" };

// biome-ignore format: a list that the compiler keeps complete
const KINDS: Record<Kind, true> = {
  run_started: true, variation_started: true, variation_added: true, agent_output: true, tool_call: true,
  tool_call_update: true, plan: true, usage: true, setup: true, judging: true, check: true, variation_finished: true,
  variation_failed: true, cleared: true, evidence: true, verdict: true, selected: true, deselected: true,
  published: true, error: true, complete: true,
};

const FRAME_BUDGET_MS = 8;
const HIDDEN_FLUSH_MS = 500;
const RETRY_MS = 2_000;
const RETRY_MOST_MS = 15_000;
/** A timer that comes this late means that the machine slept, and that the connection may be dead without knowing. */
const SLEPT_MS = 20_000;
const LEAVE_HIDDEN_AFTER_MS = 60_000;

export class RunStream {
  readonly view: RunView = emptyRun();
  connection: Connection = { state: "connecting" };
  /** Goes up whenever something is to be drawn. */
  revision = 0;

  readonly #id: string;
  readonly #listeners = new Set<() => void>();
  #source: EventSource | null = null;
  #pending: RunEvent[] = [];
  #frame: number | null = null;
  #retry: ReturnType<typeof setTimeout> | null = null;
  #retries = 0;
  #pulse: ReturnType<typeof setInterval> | null = null;
  #hidden: ReturnType<typeof setTimeout> | null = null;
  #lastPulse = 0;

  constructor(id: string) {
    this.#id = id;
  }

  subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    if (this.#listeners.size === 1) this.#start();
    return () => {
      this.#listeners.delete(listener);
      if (this.#listeners.size === 0) this.#stop();
    };
  };

  /** Listen again: after a follow-up or a decision, an ended run goes on. */
  resume(): void {
    this.#retries = 0;
    this.#open();
  }

  #start(): void {
    this.#lastPulse = Date.now();
    this.#pulse = setInterval(() => this.#feelPulse(), 5_000);
    document.addEventListener("visibilitychange", this.#onVisibility);
    window.addEventListener("online", this.#onOnline);
    this.#open();
  }

  #stop(): void {
    if (this.#pulse !== null) clearInterval(this.#pulse);
    if (this.#hidden !== null) clearTimeout(this.#hidden);
    document.removeEventListener("visibilitychange", this.#onVisibility);
    window.removeEventListener("online", this.#onOnline);
    this.#close();
    if (this.#frame !== null) cancelAnimationFrame(this.#frame);
    this.#frame = null;
  }

  #open(): void {
    this.#close();
    const after = this.#heard();
    const source = new EventSource(address("GET /runs/{run_id}/stream", { run_id: this.#id }, { after }));
    this.#source = source;
    source.onopen = () => {
      this.#retries = 0;
      this.#connect({ state: "live" });
    };
    for (const kind of Object.keys(KINDS)) {
      source.addEventListener(kind, (heard: Event) => {
        // One of our kinds is called `error`, and so is what a browser says of its connection: only ours has data.
        if (heard instanceof MessageEvent) this.#hear(heard);
        else void this.#onError(source);
      });
    }
  }

  #close(): void {
    if (this.#retry !== null) clearTimeout(this.#retry);
    this.#retry = null;
    this.#source?.close();
    this.#source = null;
  }

  #heard(): number {
    return this.#pending.at(-1)?.seq ?? this.view.lastSeq;
  }

  #hear(message: MessageEvent<string>): void {
    this.#pending.push(JSON.parse(message.data) as RunEvent);
    this.#schedule();
  }

  /** The stream broke off. After `complete` that is its regular end; else the browser or we ourselves come back. */
  async #onError(source: EventSource): Promise<void> {
    if (source !== this.#source) return;
    const last = this.#pending.at(-1)?.body.kind ?? this.view.lastKind;
    if (last === "complete") {
      this.#close();
      this.#connect({ state: "ended" });
      return;
    }
    if (this.connection.state !== "reconnecting") this.#connect({ state: "reconnecting", since: Date.now() });
    if (source.readyState !== EventSource.CLOSED) return;
    const why = await this.#askWhy();
    if (source !== this.#source) return;
    this.#close();
    if (why !== null) {
      this.#connect({ state: "refused", why });
      return;
    }
    const wait = Math.min(RETRY_MS * 2 ** this.#retries, RETRY_MOST_MS);
    this.#retries += 1;
    this.#retry = setTimeout(() => this.#open(), wait);
  }

  /** An EventSource does not say with which status it was refused. */
  async #askWhy(): Promise<"gone" | "unauthorized" | null> {
    try {
      const { status } = await fetch(address("GET /runs/{run_id}", { run_id: this.#id }));
      return status === 401 ? "unauthorized" : status === 404 ? "gone" : null;
    } catch {
      return null;
    }
  }

  #feelPulse(): void {
    const late = Date.now() - this.#lastPulse;
    this.#lastPulse = Date.now();
    if (late > SLEPT_MS) this.#reopen();
  }

  #reopen(): void {
    if (this.connection.state === "ended" || this.connection.state === "refused") return;
    this.#retries = 0;
    this.#open();
  }

  readonly #onOnline = (): void => this.#reopen();

  /** A hidden page gives its connection back after a while: a browser has six for all tabs of one server. */
  readonly #onVisibility = (): void => {
    if (this.#hidden !== null) clearTimeout(this.#hidden);
    this.#hidden = null;
    if (document.hidden) {
      this.#hidden = setTimeout(() => this.#close(), LEAVE_HIDDEN_AFTER_MS);
    } else if (this.#source === null) {
      this.#reopen();
    } else {
      this.#schedule();
    }
  };

  #connect(connection: Connection): void {
    this.connection = connection;
    this.#announce();
  }

  #announce(): void {
    this.revision += 1;
    for (const listener of this.#listeners) listener();
  }

  /** Draw at most once a frame, and never for so long that a frame is missed. */
  #schedule(): void {
    if (this.#frame !== null) return;
    if (document.hidden) {
      this.#frame = 0;
      setTimeout(() => this.#flush(), HIDDEN_FLUSH_MS);
    } else {
      this.#frame = requestAnimationFrame(() => this.#flush());
    }
  }

  #flush(): void {
    this.#frame = null;
    const begun = performance.now();
    let done = 0;
    for (const event of this.#pending) {
      apply(this.view, event);
      done += 1;
      if (done % 64 === 0 && performance.now() - begun > FRAME_BUDGET_MS) break;
    }
    this.#pending = done === this.#pending.length ? [] : this.#pending.slice(done);
    const left = this.#pending.length;
    if (left > 0) this.connection = { state: "replaying", left };
    else if (this.connection.state === "replaying") this.connection = { state: "live" };
    this.#announce();
    if (left > 0) this.#schedule();
  }
}
