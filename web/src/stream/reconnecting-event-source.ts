/**
 * An EventSource that does not get lost. Whoever listens says from where, so that listening anew, as often as may be,
 * neither loses nor doubles anything; here is decided when.
 *
 * A browser reconnects by itself while a server is away. What it does not do is done here: it gives up after an answer
 * that is no stream (a restarting server, a proxy); it waits for ever on a connection that died without a word, in a
 * laptop's sleep or behind a router; and it has six connections for all tabs of one server, so that a page that nobody
 * sees must give its own back.
 */

/** How the browser stands to the server. It says nothing about what is heard. */
export type Connection =
  | { readonly state: "connecting" | "live" | "ended" }
  | { readonly state: "reconnecting"; readonly since: number }
  | { readonly state: "refused"; readonly why: RefusalReason };

export type RefusalReason = "gone" | "unauthorized";

/** The reason that a status tells; null for a status after which trying again may help. */
export function refusalReason(status: number): RefusalReason | null {
  if (status === 401) return "unauthorized";
  return status === 404 ? "gone" : null;
}

export interface EventHandler {
  /** The names of the events to hear. */
  readonly eventNames: readonly string[];
  /** Where to listen, from what was heard last. */
  url(): string;
  onMessage(message: MessageEvent<string>): void;
  /** Whether what was heard last is the regular end. */
  isComplete(): boolean;
  /** An EventSource does not say with which status it was refused. Null means: try again. */
  fetchRefusal(): Promise<RefusalReason | null>;
  /** The connection is another one. */
  onConnectionChange(): void;
}

const FIRST_RETRY_MS = 2_000;
const MAX_RETRY_MS = 15_000;
const HEALTH_CHECK_MS = 5_000;
/** A pulse that comes this late means that the machine slept, and that the connection may be dead without knowing. */
const ASLEEP_MS = 20_000;
/** After so long a silence it is cheaper to listen anew than to ask. A page does not see the server's pings. */
const MAX_SILENCE_MS = 45_000;
/** A connection that takes so long to open leads nowhere. */
const CONNECT_TIMEOUT_MS = 10_000;

export class ReconnectingEventSource {
  connection: Connection = { state: "connecting" };
  readonly #ear: EventHandler;
  #source: EventSource | null = null;
  #retry: ReturnType<typeof setTimeout> | null = null;
  #retries = 0;
  #pulse: ReturnType<typeof setInterval> | null = null;
  #lastPulse = 0;
  /** When something was heard, or listening began. */
  #lastSign = 0;

  constructor(ear: EventHandler) {
    this.#ear = ear;
  }

  start(): void {
    this.#lastPulse = Date.now();
    this.#pulse = setInterval(() => this.#feelPulse(), HEALTH_CHECK_MS);
    document.addEventListener("visibilitychange", this.#onVisibility);
    window.addEventListener("online", this.#renew);
    if (!document.hidden) this.connect();
  }

  stop(): void {
    if (this.#pulse !== null) clearInterval(this.#pulse);
    document.removeEventListener("visibilitychange", this.#onVisibility);
    window.removeEventListener("online", this.#renew);
    this.#hangUp();
  }

  /** Listen from what was heard last, whatever was before. */
  connect(): void {
    this.#hangUp();
    this.#lastSign = Date.now();
    const source = new EventSource(this.#ear.url());
    this.#source = source;
    source.onopen = () => {
      this.#retries = 0;
      this.#lastSign = Date.now();
      this.#connect({ state: "live" });
    };
    // One kind of event may be called `error`, as is what a browser says of its connection: only an event has data.
    for (const kind of new Set([...this.#ear.eventNames, "error"])) {
      source.addEventListener(kind, (heard: Event) => {
        if (!(heard instanceof MessageEvent)) void this.#onError(source);
        else {
          this.#lastSign = Date.now();
          this.#ear.onMessage(heard);
        }
      });
    }
  }

  #hangUp(): void {
    if (this.#retry !== null) clearTimeout(this.#retry);
    this.#retry = null;
    this.#source?.close();
    this.#source = null;
  }

  /** The stream broke off. At the end of what there is to hear it may; else the browser or we ourselves come back. */
  async #onError(source: EventSource): Promise<void> {
    if (source !== this.#source) return;
    if (this.#ear.isComplete()) {
      this.#hangUp();
      this.#connect({ state: "ended" });
      return;
    }
    this.#miss();
    if (source.readyState !== EventSource.CLOSED) return;
    const why = await this.#ear.fetchRefusal();
    if (source !== this.#source) return;
    this.#hangUp();
    if (why !== null) {
      this.#connect({ state: "refused", why });
      return;
    }
    const wait = Math.min(FIRST_RETRY_MS * 2 ** this.#retries, MAX_RETRY_MS);
    this.#retries += 1;
    this.#retry = setTimeout(() => this.connect(), wait);
  }

  #feelPulse(): void {
    const now = Date.now();
    const slept = now - this.#lastPulse > ASLEEP_MS;
    this.#lastPulse = now;
    if (this.#source === null) return;
    const silence = now - this.#lastSign;
    const isOpening = this.#source.readyState === EventSource.CONNECTING;
    const leadsNowhere = isOpening && silence > CONNECT_TIMEOUT_MS;
    if (slept || leadsNowhere) this.#miss();
    if (slept || leadsNowhere || silence > MAX_SILENCE_MS) this.connect();
  }

  readonly #renew = (): void => {
    const { state } = this.connection;
    if (state === "ended" || state === "refused" || document.hidden) return;
    this.#retries = 0;
    this.connect();
  };

  readonly #onVisibility = (): void => (document.hidden ? this.#hangUp() : this.#renew());

  #miss(): void {
    if (this.connection.state !== "reconnecting")
      this.#connect({ state: "reconnecting", since: Date.now() });
  }

  #connect(connection: Connection): void {
    this.connection = connection;
    this.#ear.onConnectionChange();
  }
}
