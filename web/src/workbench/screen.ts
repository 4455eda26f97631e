/** One terminal on the page: xterm.js, fed by its stream, typing into its queue. Nothing here knows React. */
import { FitAddon } from "@xterm/addon-fit";
import { Terminal } from "@xterm/xterm";
import "@xterm/xterm/css/xterm.css";
import { ApiError, call } from "../api/client";
import type { Line } from "../stream/line";
import { count } from "../ui/format";
import { type Exit, Feed, type Listener } from "./feed";
import { guard, inOrder } from "./guard";
import { KeyQueue } from "./keys";
import { onTheme, palette } from "./palette";
import { PortFinder } from "./ports";

export interface Events {
  onExit(exit: Exit): void;
  onConnection(line: Line): void;
  /** Keys that did not arrive. */
  onLost(error: unknown): void;
  onPorts(ports: readonly number[]): void;
  /** A person wants the keyboard back. */
  onLeave(): void;
}

/** A size is told when the window has come to rest. */
const REST_MS = 150;

export class Screen implements Listener {
  readonly #id: string;
  readonly #events: Events;
  readonly #terminal: Terminal;
  readonly #fit = new FitAddon();
  readonly #feed: Feed;
  #decoder = new TextDecoder();
  readonly #ports = new PortFinder();
  readonly #undo: (() => void)[] = [];
  #resting: ReturnType<typeof setTimeout> | null = null;

  constructor(host: HTMLElement, id: string, label: string, hint: string, events: Events) {
    this.#id = id;
    this.#events = events;
    const { fontFamily } = getComputedStyle(host);
    this.#terminal = new Terminal({
      fontFamily,
      fontSize: 12.5,
      lineHeight: 1.2,
      theme: palette(host),
      minimumContrastRatio: 4.5,
      screenReaderMode: true,
      scrollback: 5_000,
      cursorBlink: false,
    });
    guard(this.#terminal);
    this.#terminal.loadAddon(this.#fit);
    this.#terminal.open(host);
    this.#terminal.textarea?.setAttribute("aria-label", label);
    this.#terminal.textarea?.setAttribute("aria-describedby", hint);
    this.#terminal.attachCustomKeyEventHandler((event) => this.#passes(event));
    const keys = new KeyQueue(
      (typed) =>
        call("POST /terminals/{terminal_id}/input", { path: this.#path, body: { keys: typed } }),
      (error) => events.onLost(error),
    );
    this.#terminal.onData((data) => keys.type(data));
    this.#terminal.onResize(() => this.#tellSize());
    this.#undo.push(onTheme(() => this.#repaint(host)));
    const observer = new ResizeObserver(() => this.#fit.fit());
    observer.observe(host);
    this.#undo.push(() => observer.disconnect());
    this.#fit.fit();
    this.#tellSize();
    this.#feed = new Feed(id, this);
  }

  get #path() {
    return { terminal_id: this.#id };
  }

  dispose(): void {
    this.#feed.stop();
    if (this.#resting !== null) clearTimeout(this.#resting);
    for (const undo of this.#undo) undo();
    this.#terminal.dispose();
  }

  focus(): void {
    this.#terminal.focus();
  }

  print(bytes: Uint8Array<ArrayBuffer>, done: () => void): void {
    const text = this.#decoder.decode(bytes, { stream: true });
    const ports = this.#ports.find(text);
    if (ports.length > 0) this.#events.onPorts(ports);
    this.#terminal.write(inOrder(text), done);
  }

  /** Whatever sequence was cut off ends here, and so does its colour. */
  skip(bytes: number): void {
    this.#decoder = new TextDecoder();
    this.#terminal.write(`\u0018\u001b[0m\r\n[${count(bytes)} bytes were too old to be kept]\r\n`);
  }

  exit(exit: Exit): void {
    this.#terminal.options.disableStdin = true;
    this.#events.onExit(exit);
  }

  connection(line: Line): void {
    this.#events.onConnection(line);
  }

  #repaint(host: HTMLElement): void {
    this.#terminal.options.theme = palette(host);
  }

  /** Which keys are the terminal's. False leaves one to the page. */
  #passes(event: KeyboardEvent): boolean {
    if (event.ctrlKey && event.shiftKey && event.key === "ArrowUp") {
      if (event.type === "keydown") this.#events.onLeave();
      return false;
    }
    const copies =
      event.ctrlKey && !event.shiftKey && event.key === "c" && this.#terminal.hasSelection();
    if (copies && event.type === "keydown") setTimeout(() => this.#terminal.clearSelection());
    return !copies;
  }

  #tellSize(): void {
    if (this.#resting !== null) clearTimeout(this.#resting);
    this.#resting = setTimeout(() => void this.#sendSize(), REST_MS);
  }

  async #sendSize(): Promise<void> {
    const { rows, cols } = this.#terminal;
    try {
      await call("POST /terminals/{terminal_id}/size", { path: this.#path, body: { rows, cols } });
    } catch (error) {
      if (!(error instanceof ApiError)) this.#events.onLost(error); // one that has ended needs no size
    }
  }
}
