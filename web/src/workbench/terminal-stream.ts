/** What one terminal prints, as it comes, and how it ended. */
import { apiUrl } from "../api/client";
import {
  type EventHandler,
  ReconnectingEventSource,
  type RefusalReason,
  refusalReason,
} from "../stream/reconnecting-event-source";
import { acceptChunk, parseChunk } from "./output-chunks";

export interface TerminalExit {
  /** Null when its sandbox ended first. */
  readonly exit_code: number | null;
  readonly reason: string;
}

export interface TerminalListener {
  /** `done` is called when it is on the screen. */
  print(bytes: Uint8Array<ArrayBuffer>, done: () => void): void;
  /** So many bytes are gone that were never shown. */
  skip(bytes: number): void;
  exit(exit: TerminalExit): void;
  connection(line: ReconnectingEventSource): void;
}

/** Bytes that may wait for the screen. Beyond that we hang up, and the server lets old output go. */
const MAX_UNSHOWN_BYTES = 2 ** 20;

export class TerminalStream implements EventHandler {
  readonly eventNames = ["output", "exit"];
  readonly #id: string;
  readonly #listener: TerminalListener;
  readonly #line = new ReconnectingEventSource(this);
  #stand = 0;
  #waiting = 0;
  #isFull = false;
  #hasEnded = false;

  constructor(id: string, listener: TerminalListener) {
    this.#id = id;
    this.#listener = listener;
    this.#line.start();
  }

  stop(): void {
    this.#hasEnded = true;
    this.#line.stop();
  }

  url(): string {
    return apiUrl(
      "GET /terminals/{terminal_id}/stream",
      { terminal_id: this.#id },
      { after: this.#stand },
    );
  }

  onMessage(message: MessageEvent<string>): void {
    if (message.type === "exit") {
      this.stop();
      this.#listener.exit(JSON.parse(message.data) as TerminalExit);
      return;
    }
    const {
      lostBytes: gone,
      bytes,
      position: stand,
    } = acceptChunk(this.#stand, parseChunk(message.data));
    this.#stand = stand;
    if (gone > 0) this.#listener.skip(gone);
    if (bytes.length === 0) return;
    this.#waiting += bytes.length;
    this.#listener.print(bytes, () => this.#shown(bytes.length));
    if (this.#waiting > MAX_UNSHOWN_BYTES && !this.#isFull) {
      this.#isFull = true;
      this.#line.stop();
    }
  }

  #shown(bytes: number): void {
    this.#waiting -= bytes;
    if (!this.#isFull || this.#waiting > 0) return;
    this.#isFull = false;
    if (!this.#hasEnded) this.#line.start();
  }

  isComplete(): boolean {
    return this.#hasEnded;
  }

  async fetchRefusal(): Promise<RefusalReason | null> {
    const refused = new AbortController();
    try {
      const { status } = await fetch(this.url(), { signal: refused.signal });
      return refusalReason(status);
    } catch {
      return null;
    } finally {
      refused.abort();
    }
  }

  onConnectionChange(): void {
    this.#listener.connection(this.#line);
  }
}
