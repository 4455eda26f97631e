/** Keyboard commands. Never while a field has the focus or a dialog is open; each is also a button somewhere. */
import { useEffect, useRef } from "react";

export interface KeyCommand {
  /** As `KeyboardEvent.key`, such as `j`, `?`, `Escape`. */
  readonly key: string;
  readonly description: string;
  readonly run: () => void;
}

const registered: { commands: readonly KeyCommand[] }[] = [];

/** What can be typed at present, for the help. */
export function activeCommands(): readonly KeyCommand[] {
  return registered.flatMap((entry) => entry.commands);
}

/** Offer commands as long as the component is shown. */
export function useKeyCommands(commands: readonly KeyCommand[]): void {
  const entry = useRef({ commands });
  entry.current.commands = commands;
  useEffect(() => {
    const mine = entry.current;
    registered.push(mine);
    return () => void registered.splice(registered.indexOf(mine), 1);
  }, []);
}

function isTyping(target: EventTarget | null): boolean {
  return (
    target instanceof HTMLElement &&
    target.closest(
      "input:not([type=checkbox], [type=radio]), textarea, select, [contenteditable], dialog, [data-keys]",
    ) !== null
  );
}

window.addEventListener("keydown", (event) => {
  if (
    event.ctrlKey ||
    event.metaKey ||
    event.altKey ||
    event.defaultPrevented ||
    isTyping(event.target)
  )
    return;
  const found = activeCommands().findLast((command) => command.key === event.key);
  if (!found) return;
  event.preventDefault();
  found.run();
});
