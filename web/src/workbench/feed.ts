/** What one terminal prints, as it comes, and how it ended. */
import { address } from "../api/client";
import { type Ear, Line, type Refusal, refusalOf } from "../stream/line";
import { newsOf, parsePiece } from "./pieces";

export interface Exit {
  /** Null when its sandbox ended first. */
  readonly exit_code: number | null;
  readonly reason: string;
}

export interface Listener {
  /** `done` is called when it is on the screen. */
  print(bytes: Uint8Array<ArrayBuffer>, done: () => void): void;
  /** So many bytes are gone that were never shown. */
  skip(bytes: number): void;
  exit(exit: Exit): void;
  connection(line: Line): void;
}

/** Bytes that may wait for the screen. Beyond that we hang up, and the server lets old output go. */
const MOST_WAITING = 2 ** 20;

export class Feed implements Ear {
  readonly kinds = ["output", "exit"];
  readonly #id: string;
  readonly #listener: Listener;
  readonly #line = new Line(this);
  #stand = 0;
  #waiting = 0;
  #isFull = false;
  #hasEnded = false;

  constructor(id: string, listener: Listener) {
    this.#id = id;
    this.#listener = listener;
    this.#line.start();
  }

  stop(): void {
    this.#hasEnded = true;
    this.#line.stop();
  }

  address(): string {
    return address(
      "GET /terminals/{terminal_id}/stream",
      { terminal_id: this.#id },
      { after: this.#stand },
    );
  }

  hear(message: MessageEvent<string>): void {
    if (message.type === "exit") {
      this.stop();
      this.#listener.exit(JSON.parse(message.data) as Exit);
      return;
    }
    const { gone, bytes, stand } = newsOf(this.#stand, parsePiece(message.data));
    this.#stand = stand;
    if (gone > 0) this.#listener.skip(gone);
    if (bytes.length === 0) return;
    this.#waiting += bytes.length;
    this.#listener.print(bytes, () => this.#shown(bytes.length));
    if (this.#waiting > MOST_WAITING && !this.#isFull) {
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

  isOver(): boolean {
    return this.#hasEnded;
  }

  async askWhy(): Promise<Refusal | null> {
    const refused = new AbortController();
    try {
      const { status } = await fetch(this.address(), { signal: refused.signal });
      return refusalOf(status);
    } catch {
      return null;
    } finally {
      refused.abort();
    }
  }

  changed(): void {
    this.#listener.connection(this.#line);
  }
}
