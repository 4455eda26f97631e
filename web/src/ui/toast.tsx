import { useSyncExternalStore } from "react";
import { ApiError, toError } from "../api/client";
import { loginPath, navigate } from "../app/router";
import { Button } from "./button";
import styles from "./toast.module.css";

interface Toast {
  readonly id: number;
  readonly text: string;
  readonly tone: "neutral" | "bad";
  readonly action?: { readonly label: string; readonly run: () => void };
}

const DISMISS_AFTER_MS = 6_000;
let toasts: readonly Toast[] = [];
let next = 1;
const listeners = new Set<() => void>();

function set(changed: readonly Toast[]): void {
  toasts = changed;
  for (const listener of listeners) listener();
}

function dismiss(id: number): void {
  set(toasts.filter((toast) => toast.id !== id));
}

/** Show a message for a few seconds. Errors stay until they are closed. */
export function showToast(text: string, more: Partial<Pick<Toast, "tone" | "action">> = {}): void {
  const id = next++;
  set([...toasts.slice(-3), { id, text, tone: "neutral", ...more }]);
  if (more.tone !== "bad") setTimeout(() => dismiss(id), DISMISS_AFTER_MS);
}

/** Show the message of an error. */
export function showErrorToast(error: unknown): void {
  if (error instanceof ApiError && error.status === 401) {
    showToast("Your session has ended.", {
      tone: "bad",
      action: { label: "Log in", run: () => navigate(loginPath()) },
    });
  } else showToast(toError(error).message, { tone: "bad" });
}

export function ToastList() {
  const shown = useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => toasts,
  );
  return (
    <div className={styles.toasts} role="status" aria-live="polite">
      {shown.map((each) => (
        <div key={each.id} className={styles.toast} data-tone={each.tone}>
          <span>{each.text}</span>
          {each.action && (
            <Button
              size="s"
              onClick={() => {
                each.action?.run();
                dismiss(each.id);
              }}
            >
              {each.action.label}
            </Button>
          )}
          <Button variant="quiet" size="s" icon="close" iconOnly onClick={() => dismiss(each.id)}>
            Dismiss
          </Button>
        </div>
      ))}
    </div>
  );
}
