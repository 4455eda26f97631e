/**
 * Input on its way to a terminal. Requests are sent in order, one at a time; keys typed meanwhile
 * go with the next request.
 *
 * Input that could not be sent is dropped: sent later, its effect would be unpredictable.
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

/** Characters per request, a quarter of what the server accepts. */
const MAX_REQUEST_LENGTH = 16_384;

/** Return the first chunk of the text, without splitting a surrogate pair. */
function firstChunk(text: string): string {
  const end = text.slice(0, MAX_REQUEST_LENGTH);
  return text.length > MAX_REQUEST_LENGTH && /[\ud800-\udbff]$/.test(end) ? end.slice(0, -1) : end;
}
