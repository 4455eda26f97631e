/**
 * What is typed, on its way to a terminal: in order, one request at a time, and what is typed meanwhile goes with the
 * next one. What could not be sent is not sent later: nobody knows then what it would do.
 */
export class InputQueue {
  readonly #send: (keys: string) => Promise<void>;
  readonly #onLost: (error: unknown) => void;
  #waiting = "";
  #busy = false;

  constructor(send: (keys: string) => Promise<void>, onLost: (error: unknown) => void) {
    this.#send = send;
    this.#onLost = onLost;
  }

  type(keys: string): void {
    this.#waiting += keys;
    if (!this.#busy) void this.#drain();
  }

  async #drain(): Promise<void> {
    this.#busy = true;
    while (this.#waiting !== "") {
      const keys = firstChunk(this.#waiting);
      this.#waiting = this.#waiting.slice(keys.length);
      try {
        await this.#send(keys);
      } catch (error) {
        this.#waiting = "";
        this.#onLost(error);
      }
    }
    this.#busy = false;
  }
}

/** Characters that go in one request; the server takes four times as many. */
const MAX_REQUEST_LENGTH = 16_384;

/** The beginning, never with half of a character at its end. */
function firstChunk(text: string): string {
  const end = text.slice(0, MAX_REQUEST_LENGTH);
  return text.length > MAX_REQUEST_LENGTH && /[\ud800-\udbff]$/.test(end) ? end.slice(0, -1) : end;
}
