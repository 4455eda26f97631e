/**
 * An `EventSource` that reconnects in every case, for one handler. The handler names the position
 * to continue from, so that any number of connections neither loses nor repeats an event.
 *
 * A browser reconnects by itself while a server is away. This class adds what a browser does not
 * do: it tries again after an answer that is no stream (a restarting server, a proxy); it notices
 * connections that died silently, in a sleeping laptop or behind a router; and it closes the
 * connection of a hidden page, since a browser has six for all tabs of one server.
 */

/** State of the connection to the server. It tells nothing about the events. */
export type Connection =
  | { readonly state: "connecting" | "live" | "ended" | "offline" }
  | { readonly state: "reconnecting"; readonly since: number }
  | { readonly state: "refused"; readonly why: RefusalReason };

export type RefusalReason = "gone" | "unauthorized";

/** Return the reason that an HTTP status gives; null when trying again may help. */
export function refusalReason(status: number): RefusalReason | null {
  if (status === 401) return "unauthorized";
  return status === 404 ? "gone" : null;
}

export interface EventHandler {
  /** Names of the events to listen for. */
  readonly eventNames: readonly string[];
  /** URL of the stream, continuing after the last event received. */
  url(): string;
  onMessage(message: MessageEvent<string>): void;
  /** Whether the last event received is the regular end of the stream. */
  isComplete(): boolean;
  /** Ask why the stream was refused, since an `EventSource` does not tell. Null: try again. */
  fetchRefusal(): Promise<RefusalReason | null>;
  onConnectionChange(): void;
}

const FIRST_RETRY_MS = 2_000;
const MAX_RETRY_MS = 15_000;
const HEALTH_CHECK_MS = 5_000;
/** A health check this late means that the machine slept; the connection may be dead unnoticed. */
const ASLEEP_MS = 20_000;
/**
 * After this silence, connecting anew is cheaper than finding out. A page does not see the
 * server's pings.
 */
const MAX_SILENCE_MS = 45_000;
/** A connection that takes longer to open is given up. */
const CONNECT_TIMEOUT_MS = 10_000;

export class ReconnectingEventSource {
  connection: Connection = { state: "connecting" };
  readonly #handler: EventHandler;
  #source: EventSource | null = null;
  #retryTimer: ReturnType<typeof setTimeout> | null = null;
  #retries = 0;
  #healthTimer: ReturnType<typeof setInterval> | null = null;
  #lastHealthCheck = 0;
  /** When something was received, or the connection was opened. */
  #lastReceived = 0;
  #hasDelivered = false;

  constructor(handler: EventHandler) {
    this.#handler = handler;
  }

  start(): void {
    this.#lastHealthCheck = Date.now();
    this.#healthTimer = setInterval(() => this.#checkHealth(), HEALTH_CHECK_MS);
    document.addEventListener("visibilitychange", this.#onVisibility);
    window.addEventListener("online", this.#reconnect);
    window.addEventListener("offline", this.#onOffline);
    if (!document.hidden) this.connect();
  }

  stop(): void {
    if (this.#healthTimer !== null) clearInterval(this.#healthTimer);
    document.removeEventListener("visibilitychange", this.#onVisibility);
    window.removeEventListener("online", this.#reconnect);
    window.removeEventListener("offline", this.#onOffline);
    this.#disconnect();
  }

  /** Whether the present connection has brought an event. A proxy may open it and hold all back. */
  get hasDelivered(): boolean {
    return this.#hasDelivered;
  }

  /** The events were received in another way, and the run has ended: nothing more will come. */
  end(): void {
    this.#disconnect();
    this.#setConnection({ state: "ended" });
  }

  /** Open a new connection after the last event received, and drop an existing one. */
  connect(): void {
    this.#disconnect();
    this.#lastReceived = Date.now();
    this.#hasDelivered = false;
    const source = new EventSource(this.#handler.url());
    this.#source = source;
    source.onopen = () => {
      this.#retries = 0;
      this.#lastReceived = Date.now();
      this.#setConnection({ state: "live" });
    };
    // A stream may have an event named `error`, which is also the browser's name for a lost
    // connection: only the former is a MessageEvent.
    for (const name of new Set([...this.#handler.eventNames, "error"])) {
      source.addEventListener(name, (event: Event) => {
        if (!(event instanceof MessageEvent)) void this.#onError(source);
        else {
          this.#lastReceived = Date.now();
          this.#hasDelivered = true;
          this.#handler.onMessage(event);
        }
      });
    }
  }

  #disconnect(): void {
    if (this.#retryTimer !== null) clearTimeout(this.#retryTimer);
    this.#retryTimer = null;
    this.#source?.close();
    this.#source = null;
  }

  /** Handle a lost connection: end after the regular end of the stream, else connect again. */
  async #onError(source: EventSource): Promise<void> {
    if (source !== this.#source) return;
    if (this.#handler.isComplete()) {
      this.#disconnect();
      this.#setConnection({ state: "ended" });
      return;
    }
    this.#markReconnecting();
    // While the source is not closed, the browser reconnects by itself.
    if (source.readyState !== EventSource.CLOSED) return;
    const why = await this.#handler.fetchRefusal();
    if (source !== this.#source) return;
    this.#disconnect();
    if (why !== null) {
      this.#setConnection({ state: "refused", why });
      return;
    }
    const wait = Math.min(FIRST_RETRY_MS * 2 ** this.#retries, MAX_RETRY_MS);
    this.#retries += 1;
    this.#retryTimer = setTimeout(() => this.connect(), wait);
  }

  #checkHealth(): void {
    const now = Date.now();
    const hasSlept = now - this.#lastHealthCheck > ASLEEP_MS;
    this.#lastHealthCheck = now;
    if (this.#source === null) return;
    const silence = now - this.#lastReceived;
    const isOpening = this.#source.readyState === EventSource.CONNECTING;
    const hasTimedOut = isOpening && silence > CONNECT_TIMEOUT_MS;
    if (hasSlept || hasTimedOut) this.#markReconnecting();
    if (hasSlept || hasTimedOut || silence > MAX_SILENCE_MS) this.connect();
  }

  readonly #reconnect = (): void => {
    const { state } = this.connection;
    if (state === "ended" || state === "refused" || document.hidden) return;
    this.#retries = 0;
    this.connect();
  };

  /** The browser knows that it has no network: say so at once. The connection may survive it. */
  readonly #onOffline = (): void => {
    if (this.connection.state === "ended" || this.connection.state === "refused") return;
    this.#setConnection({ state: "offline" });
  };

  readonly #onVisibility = (): void => (document.hidden ? this.#disconnect() : this.#reconnect());

  #markReconnecting(): void {
    if (this.connection.state === "reconnecting" || !navigator.onLine) return;
    this.#setConnection({ state: "reconnecting", since: Date.now() });
  }

  #setConnection(connection: Connection): void {
    this.connection = connection;
    this.#handler.onConnectionChange();
  }
}
