import { useEffect, useId, useRef, useState } from "react";
import type { TerminalOut } from "../api/schema.gen";
import type { Connection } from "../stream/reconnecting-event-source";
import { Button } from "../ui/button";
import { Chip } from "../ui/chip";
import { showErrorToast } from "../ui/toast";
import { visibleLine } from "../ui/visible-text";
import { TerminalScreen } from "./terminal-screen";
import type { TerminalExit } from "./terminal-stream";
import styles from "./terminal-view.module.css";
import { placeText } from "./use-workbench";

interface Props {
  readonly terminal: TerminalOut;
  /** Whether the user has just opened it, so that it gets the focus. */
  readonly wantsKeys: boolean;
  readonly onPorts: (ports: readonly number[]) => void;
  readonly onLeave: () => void;
  readonly onAgain: () => void;
  readonly onClose: () => void;
}

/** One terminal. Its output is loaded from the server, so a reload loses nothing. */
export function TerminalView({ terminal, wantsKeys, onPorts, onLeave, onAgain, onClose }: Props) {
  const host = useRef<HTMLDivElement>(null);
  const hint = useId();
  const [exit, setExit] = useState<TerminalExit>();
  const [connection, setConnection] = useState<Connection>({ state: "connecting" });
  const events = useRef({ onPorts, onLeave });
  events.current = { onPorts, onLeave };
  const { id, variation_id: number } = terminal;

  // biome-ignore lint/correctness/useExhaustiveDependencies: focus only when first shown
  useEffect(() => {
    let screen: TerminalScreen | undefined;
    let isGone = false;
    const begin = async () => {
      // xterm.js measures the size of a character once, so the font must be loaded before.
      await document.fonts.load("12.5px 'IBM Plex Mono'").catch(() => undefined);
      if (isGone || !host.current) return;
      screen = new TerminalScreen(host.current, id, `Terminal of variation ${number}`, hint, {
        onExit: setExit,
        onConnection: setConnection,
        onLost: showErrorToast,
        onPorts: (ports) => events.current.onPorts(ports),
        onLeave: () => events.current.onLeave(),
      });
      // Keep the focus on the tabs while the user moves along them.
      if (wantsKeys && document.activeElement?.role !== "tab") screen.focus();
    };
    void begin();
    return () => {
      isGone = true;
      screen?.dispose();
    };
  }, [id, number, hint]);

  return (
    <div className={styles.terminal}>
      <div ref={host} className={styles.host} />
      <div className={styles.footer}>
        {exit ? (
          <span role="status" className={styles.exit}>
            <span>{exitText(exit)}</span>
            <Button size="s" onClick={onAgain}>
              Open again
            </Button>
          </span>
        ) : (
          <>
            {connection.state === "reconnecting" && (
              <Chip tone="warning" glyph="◌">
                reconnecting
              </Chip>
            )}
            {connection.state === "refused" && <Chip tone="bad">terminal closed</Chip>}
            <span id={hint}>
              <kbd>Ctrl</kbd> <kbd>Shift</kbd> <kbd aria-label="Arrow up">↑</kbd> leaves the
              terminal
            </span>
          </>
        )}
        <span className={styles.place}>{placeText(terminal.place, number)}</span>
        <Button size="s" icon="stop" onClick={onClose}>
          Close the terminal
        </Button>
      </div>
    </div>
  );
}

function exitText({ exit_code, reason }: TerminalExit): string {
  const why = reason === "it has ended" ? "" : ` · ${visibleLine(reason)}`;
  return exit_code === null ? `ended${why}` : `exited with ${exit_code}${why}`;
}
