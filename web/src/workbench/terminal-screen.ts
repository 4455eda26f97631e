/**
 * One terminal on the page: xterm.js, its output stream and its input queue. Independent of React.
 */
import { FitAddon } from "@xterm/addon-fit";
import { Terminal } from "@xterm/xterm";
import "@xterm/xterm/css/xterm.css";
import { ApiError, callApi } from "../api/client";
import type { Connection } from "../stream/reconnecting-event-source";
import { formatCount } from "../ui/format";
import { visibleInTerminal } from "../ui/visible-text";
import { InputQueue } from "./input-queue";
import { PortFinder } from "./port-finder";
import { blockSequences } from "./terminal-guard";
import { type TerminalExit, type TerminalListener, TerminalStream } from "./terminal-stream";
import { onThemeChange, terminalTheme } from "./terminal-theme";

export interface ScreenEvents {
  onExit(exit: TerminalExit): void;
  onConnection(connection: Connection): void;
  /** Input could not be sent. */
  onLost(error: unknown): void;
  onPorts(ports: readonly number[]): void;
  /** The user leaves the terminal with the keyboard. */
  onLeave(): void;
}

/** The size is sent after the window has kept it for this time. */
const RESIZE_DELAY_MS = 150;

export class TerminalScreen implements TerminalListener {
  readonly #id: string;
  readonly #events: ScreenEvents;
  readonly #terminal: Terminal;
  readonly #fit = new FitAddon();
  readonly #stream: TerminalStream;
  #decoder = new TextDecoder();
  readonly #ports = new PortFinder();
  readonly #cleanups: (() => void)[] = [];
  #resizeTimer: ReturnType<typeof setTimeout> | null = null;

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
    this.#terminal.attachCustomKeyEventHandler((event) => this.#isTerminalKey(event));
    const input = new InputQueue(
      (keys) =>
        callApi("POST /terminals/{terminal_id}/input", { path: this.#path, body: { keys } }),
      (error) => events.onLost(error),
    );
    this.#terminal.onData((data) => input.type(data));
    this.#terminal.onResize(() => this.#scheduleResize());
    this.#cleanups.push(onThemeChange(() => this.#applyTheme(host)));
    const observer = new ResizeObserver(() => this.#fit.fit());
    observer.observe(host);
    this.#cleanups.push(() => observer.disconnect());
    this.#fit.fit();
    this.#scheduleResize();
    this.#stream = new TerminalStream(id, this);
  }

  get #path() {
    return { terminal_id: this.#id };
  }

  dispose(): void {
    this.#stream.stop();
    if (this.#resizeTimer !== null) clearTimeout(this.#resizeTimer);
    for (const cleanup of this.#cleanups) cleanup();
    this.#terminal.dispose();
  }

  focus(): void {
    this.#terminal.focus();
  }

  print(bytes: Uint8Array<ArrayBuffer>, done: () => void): void {
    const text = this.#decoder.decode(bytes, { stream: true });
    const ports = this.#ports.find(text);
    if (ports.length > 0) this.#events.onPorts(ports);
    this.#terminal.write(visibleInTerminal(text), done);
  }

  /** End a sequence that the lost bytes cut off, and reset the colour. */
  skip(bytes: number): void {
    this.#decoder = new TextDecoder();
    this.#terminal.write(
      `\u0018\u001b[0m\r\n[${formatCount(bytes)} bytes of older output were dropped]\r\n`,
    );
  }

  exit(exit: TerminalExit): void {
    this.#terminal.options.disableStdin = true;
    this.#events.onExit(exit);
  }

  connectionChanged(connection: Connection): void {
    this.#events.onConnection(connection);
  }

  #applyTheme(host: HTMLElement): void {
    this.#terminal.options.theme = terminalTheme(host);
  }

  /** Whether the terminal handles a key; the page handles the others. */
  #isTerminalKey(event: KeyboardEvent): boolean {
    if (event.ctrlKey && event.shiftKey && event.key === "ArrowUp") {
      if (event.type === "keydown") this.#events.onLeave();
      return false;
    }
    const copies =
      event.ctrlKey && !event.shiftKey && event.key === "c" && this.#terminal.hasSelection();
    if (copies && event.type === "keydown") setTimeout(() => this.#terminal.clearSelection());
    return !copies;
  }

  #scheduleResize(): void {
    if (this.#resizeTimer !== null) clearTimeout(this.#resizeTimer);
    this.#resizeTimer = setTimeout(() => void this.#sendSize(), RESIZE_DELAY_MS);
  }

  async #sendSize(): Promise<void> {
    const { rows, cols } = this.#terminal;
    try {
      await callApi("POST /terminals/{terminal_id}/size", {
        path: this.#path,
        body: { rows, cols },
      });
    } catch (error) {
      // An ended terminal refuses the size, which it does not need.
      if (!(error instanceof ApiError)) this.#events.onLost(error);
    }
  }
}
