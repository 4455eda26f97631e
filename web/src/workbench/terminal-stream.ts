/** Output stream of one terminal, and its exit. */
import { apiUrl } from "../api/client";
import {
  type Connection,
  type EventHandler,
  ReconnectingEventSource,
  type RefusalReason,
  refusalReason,
} from "../stream/reconnecting-event-source";
import { acceptChunk, parseChunk } from "./output-chunks";

export interface TerminalExit {
  /** Null when the sandbox ended before the terminal. */
  readonly exit_code: number | null;
  readonly reason: string;
}

export interface TerminalListener {
  /** Display bytes; call `done` when they are on the screen. */
  print(bytes: Uint8Array<ArrayBuffer>, done: () => void): void;
  /** Note that this number of bytes was lost without being shown. */
  skip(bytes: number): void;
  exit(exit: TerminalExit): void;
  connectionChanged(connection: Connection): void;
}

/**
 * Bytes that may wait for the screen. Above this the stream is closed until they are shown, and the
 * server drops the oldest output.
 */
const MAX_UNSHOWN_BYTES = 2 ** 20;

export class TerminalStream implements EventHandler {
  readonly eventNames = ["output", "exit"];
  readonly #id: string;
  readonly #listener: TerminalListener;
  readonly #source = new ReconnectingEventSource(this);
  #position = 0;
  #unshownBytes = 0;
  #isPaused = false;
  #hasEnded = false;

  constructor(id: string, listener: TerminalListener) {
    this.#id = id;
    this.#listener = listener;
    this.#source.start();
  }

  stop(): void {
    this.#hasEnded = true;
    this.#source.stop();
  }

  url(): string {
    return apiUrl(
      "GET /terminals/{terminal_id}/stream",
      { terminal_id: this.#id },
      { after: this.#position },
    );
  }

  onMessage(message: MessageEvent<string>): void {
    if (message.type === "exit") {
      this.stop();
      this.#listener.exit(JSON.parse(message.data) as TerminalExit);
      return;
    }
    const { lostBytes, bytes, position } = acceptChunk(this.#position, parseChunk(message.data));
    this.#position = position;
    if (lostBytes > 0) this.#listener.skip(lostBytes);
    if (bytes.length === 0) return;
    this.#unshownBytes += bytes.length;
    this.#listener.print(bytes, () => this.#onShown(bytes.length));
    if (this.#unshownBytes > MAX_UNSHOWN_BYTES && !this.#isPaused) {
      this.#isPaused = true;
      this.#source.stop();
    }
  }

  #onShown(bytes: number): void {
    this.#unshownBytes -= bytes;
    if (!this.#isPaused || this.#unshownBytes > 0) return;
    this.#isPaused = false;
    if (!this.#hasEnded) this.#source.start();
  }

  isComplete(): boolean {
    return this.#hasEnded;
  }

  async fetchRefusal(): Promise<RefusalReason | null> {
    const request = new AbortController();
    try {
      const { status } = await fetch(this.url(), { signal: request.signal });
      return refusalReason(status);
    } catch {
      return null;
    } finally {
      request.abort(); // only the status is of interest
    }
  }

  onConnectionChange(): void {
    this.#listener.connectionChanged(this.#source.connection);
  }
}
