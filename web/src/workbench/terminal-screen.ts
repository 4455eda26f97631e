/** One terminal on the page: xterm.js, fed by its stream, typing into its queue. Nothing here knows React. */
import { FitAddon } from "@xterm/addon-fit";
import { Terminal } from "@xterm/xterm";
import "@xterm/xterm/css/xterm.css";
import { ApiError, callApi } from "../api/client";
import type { ReconnectingEventSource } from "../stream/reconnecting-event-source";
import { formatCount } from "../ui/format";
import { InputQueue } from "./input-queue";
import { PortFinder } from "./port-finder";
import { blockSequences, replaceBidiControls } from "./terminal-guard";
import { type TerminalExit, type TerminalListener, TerminalStream } from "./terminal-stream";
import { onThemeChange, terminalTheme } from "./terminal-theme";

export interface ScreenEvents {
  onExit(exit: TerminalExit): void;
  onConnection(line: ReconnectingEventSource): void;
  /** Keys that did not arrive. */
  onLost(error: unknown): void;
  onPorts(ports: readonly number[]): void;
  /** A person wants the keyboard back. */
  onLeave(): void;
}

/** A size is told when the window has come to rest. */
const RESIZE_DELAY_MS = 150;

export class TerminalScreen implements TerminalListener {
  readonly #id: string;
  readonly #events: ScreenEvents;
  readonly #terminal: Terminal;
  readonly #fit = new FitAddon();
  readonly #feed: TerminalStream;
  #decoder = new TextDecoder();
  readonly #ports = new PortFinder();
  readonly #undo: (() => void)[] = [];
  #resting: ReturnType<typeof setTimeout> | null = null;

  constructor(host: HTMLElement, id: string, label: string, hint: string, events: ScreenEvents) {
    this.#id = id;
    this.#events = events;
    const { fontFamily } = getComputedStyle(host);
    this.#terminal = new Terminal({
      fontFamily,
      fontSize: 12.5,
      lineHeight: 1.2,
      theme: terminalTheme(host),
      minimumContrastRatio: 4.5,
      screenReaderMode: true,
      scrollback: 5_000,
      cursorBlink: false,
    });
    blockSequences(this.#terminal);
    this.#terminal.loadAddon(this.#fit);
    this.#terminal.open(host);
    this.#terminal.textarea?.setAttribute("aria-label", label);
    this.#terminal.textarea?.setAttribute("aria-describedby", hint);
    this.#terminal.attachCustomKeyEventHandler((event) => this.#passes(event));
    const keys = new InputQueue(
      (typed) =>
        callApi("POST /terminals/{terminal_id}/input", { path: this.#path, body: { keys: typed } }),
      (error) => events.onLost(error),
    );
    this.#terminal.onData((data) => keys.type(data));
    this.#terminal.onResize(() => this.#tellSize());
    this.#undo.push(onThemeChange(() => this.#repaint(host)));
    const observer = new ResizeObserver(() => this.#fit.fit());
    observer.observe(host);
    this.#undo.push(() => observer.disconnect());
    this.#fit.fit();
    this.#tellSize();
    this.#feed = new TerminalStream(id, this);
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
    this.#terminal.write(replaceBidiControls(text), done);
  }

  /** Whatever sequence was cut off ends here, and so does its colour. */
  skip(bytes: number): void {
    this.#decoder = new TextDecoder();
    this.#terminal.write(
      `\u0018\u001b[0m\r\n[${formatCount(bytes)} bytes were too old to be kept]\r\n`,
    );
  }

  exit(exit: TerminalExit): void {
    this.#terminal.options.disableStdin = true;
    this.#events.onExit(exit);
  }

  connection(line: ReconnectingEventSource): void {
    this.#events.onConnection(line);
  }

  #repaint(host: HTMLElement): void {
    this.#terminal.options.theme = terminalTheme(host);
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
    this.#resting = setTimeout(() => void this.#sendSize(), RESIZE_DELAY_MS);
  }

  async #sendSize(): Promise<void> {
    const { rows, cols } = this.#terminal;
    try {
      await callApi("POST /terminals/{terminal_id}/size", {
        path: this.#path,
        body: { rows, cols },
      });
    } catch (error) {
      if (!(error instanceof ApiError)) this.#events.onLost(error); // one that has ended needs no size
    }
  }
}
