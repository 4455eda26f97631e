import { useEffect, useId, useRef, useState } from "react";
import type { TerminalOut } from "../api/schema.gen";
import type { Connection } from "../stream/line";
import { Button } from "../ui/button";
import { Chip } from "../ui/chip";
import { line } from "../ui/plain";
import { toastError } from "../ui/toast";
import { whereIs } from "./desk";
import type { Exit } from "./feed";
import { Screen } from "./screen";
import styles from "./terminal.module.css";

interface Props {
  readonly terminal: TerminalOut;
  /** Whether a person has just asked for it: then it gets the keyboard. */
  readonly wantsKeys: boolean;
  readonly onPorts: (ports: readonly number[]) => void;
  readonly onLeave: () => void;
  readonly onAgain: () => void;
  readonly onClose: () => void;
}

/** One terminal. It is shown anew from what the server has kept, so that a reload loses nothing. */
export function TerminalView({ terminal, wantsKeys, onPorts, onLeave, onAgain, onClose }: Props) {
  const host = useRef<HTMLDivElement>(null);
  const hint = useId();
  const [exit, setExit] = useState<Exit>();
  const [connection, setConnection] = useState<Connection>({ state: "connecting" });
  const events = useRef({ onPorts, onLeave });
  events.current = { onPorts, onLeave };
  const { id, variation_id: number } = terminal;

  // biome-ignore lint/correctness/useExhaustiveDependencies: the keyboard is wanted when it is first shown
  useEffect(() => {
    let screen: Screen | undefined;
    let isGone = false;
    const begin = async () => {
      // The size of a character is measured once. Without the font there is another one.
      await document.fonts.load("12.5px 'IBM Plex Mono'").catch(() => undefined);
      if (isGone || !host.current) return;
      screen = new Screen(host.current, id, `Terminal of variation ${number}`, hint, {
        onExit: setExit,
        onConnection: (heard) => setConnection(heard.connection),
        onLost: toastError,
        onPorts: (ports) => events.current.onPorts(ports),
        onLeave: () => events.current.onLeave(),
      });
      // Whoever walks along the tabs stays there.
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
      <div className={styles.foot}>
        {exit ? (
          <span role="status" className={styles.exit}>
            <span>{sayExit(exit)}</span>
            <Button size="s" onClick={onAgain}>
              Open again
            </Button>
          </span>
        ) : (
          <>
            {connection.state === "reconnecting" && (
              <Chip tone="warn" glyph="◌">
                reconnecting
              </Chip>
            )}
            {connection.state === "refused" && <Chip tone="bad">this terminal is gone</Chip>}
            <span id={hint}>
              <kbd>Ctrl</kbd> <kbd>Shift</kbd> <kbd aria-label="Arrow up">↑</kbd> leaves the
              terminal
            </span>
          </>
        )}
        <span className={styles.where}>{whereIs(terminal.place, number)}</span>
        <Button size="s" icon="stop" onClick={onClose}>
          Close the terminal
        </Button>
      </div>
    </div>
  );
}

function sayExit({ exit_code, reason }: Exit): string {
  const why = reason === "it has ended" ? "" : ` · ${line(reason)}`;
  return exit_code === null ? `ended${why}` : `exited with ${exit_code}${why}`;
}
