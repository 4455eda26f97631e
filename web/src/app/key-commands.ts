/**
 * Keyboard commands of the page. They are off while a field has the focus or a dialog is open. Each
 * command also has a button or link.
 */
import { useLayoutEffect, useRef } from "react";

export interface KeyCommand {
  /** Value of `KeyboardEvent.key`, such as `j`, `?`, `Escape`. */
  readonly key: string;
  readonly description: string;
  readonly run: () => void;
}

const registered: { commands: readonly KeyCommand[] }[] = [];

/** Return the commands that are available at present, for the help dialog. */
export function activeCommands(): readonly KeyCommand[] {
  return registered.flatMap((entry) => entry.commands);
}

/** Register commands while the component is mounted. */
export function useKeyCommands(commands: readonly KeyCommand[]): void {
  const entry = useRef({ commands });
  entry.current.commands = commands;
  // A layout effect runs before the paint: a key works as soon as its view is visible.
  useLayoutEffect(() => {
    const own = entry.current;
    registered.push(own);
    return () => void registered.splice(registered.indexOf(own), 1);
  }, []);
}

/** Elements that take keys themselves. */
const TYPING_TARGETS = [
  "input:not([type=checkbox], [type=radio])",
  "textarea",
  "select",
  "[contenteditable]",
  "dialog",
  "[data-keys]",
].join();

function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && target.closest(TYPING_TARGETS) !== null;
}

/** Ctrl+Enter or Cmd+Enter in a field submits its form. */
function submitForm(event: KeyboardEvent): boolean {
  const isSubmit = event.key === "Enter" && (event.ctrlKey || event.metaKey);
  const form = event.target instanceof HTMLElement ? event.target.closest("form") : null;
  if (!isSubmit || form === null || event.defaultPrevented) return false;
  event.preventDefault();
  form.requestSubmit();
  return true;
}

window.addEventListener("keydown", (event) => {
  if (submitForm(event)) return;
  if (
    event.ctrlKey ||
    event.metaKey ||
    event.altKey ||
    event.defaultPrevented ||
    isTyping(event.target)
  )
    return;
  const command = activeCommands().findLast(({ key }) => key === event.key);
  if (!command) return;
  event.preventDefault();
  command.run();
});
