/**
 * Router of the page: the path chooses the view, the query parameters hold what is selected in it.
 */

import { type AnchorHTMLAttributes, type MouseEvent, useSyncExternalStore } from "react";
import { jsx } from "#jsx/jsx-runtime";

const listeners = new Set<() => void>();

function notifyListeners(): void {
  for (const listener of listeners) listener();
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  window.addEventListener("popstate", listener);
  return () => {
    listeners.delete(listener);
    window.removeEventListener("popstate", listener);
  };
}

/**
 * Go to an address of the page. `replace` adds no entry to the browser's history; use it for
 * filters and selections.
 */
export function navigate(to: string, { replace = false }: { replace?: boolean } = {}): void {
  if (to === location.pathname + location.search + location.hash) return;
  if (replace) history.replaceState(null, "", to);
  else history.pushState(null, "", to);
  notifyListeners();
  if (!replace) window.scrollTo(0, 0);
}

/** Return the address of the log-in page, which returns to the present address. */
export function loginPath(): string {
  return `/login?next=${encodeURIComponent(location.pathname + location.search)}`;
}

/** Return the current path and follow its changes. */
export function usePath(): string {
  return useSyncExternalStore(subscribe, () => location.pathname);
}

/** Return one query parameter and a function that sets it; null removes it. */
export function useQueryValue(name: string): [string | null, (value: string | null) => void] {
  const value = useSyncExternalStore(subscribe, () =>
    new URLSearchParams(location.search).get(name),
  );
  return [value, (next) => setQueryValues({ [name]: next })];
}

/** Set query parameters; null or an empty string removes one. */
export function setQueryValues(values: Readonly<Record<string, string | null>>): void {
  const query = new URLSearchParams(location.search);
  for (const [name, value] of Object.entries(values)) {
    if (value === null || value === "") query.delete(name);
    else query.set(name, value);
  }
  const text = query.toString();
  navigate(location.pathname + (text ? `?${text}` : ""), { replace: true });
}

export type PathParams = Readonly<Record<string, string>>;

/**
 * Match a path against a pattern such as `/runs/:id`. Return the values of the `:name` parts, or
 * null when the path does not match.
 */
export function matchPath(pattern: string, path: string): PathParams | null {
  const expected = pattern.split("/");
  const given = path.replace(/(?<=.)\/+$/, "").split("/");
  if (expected.length !== given.length) return null;
  const params: Record<string, string> = {};
  for (const [index, part] of expected.entries()) {
    const value = given[index] ?? "";
    if (part.startsWith(":") && value !== "") params[part.slice(1)] = decodePart(value);
    else if (part !== value) return null;
  }
  return params;
}

function decodePart(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** Link within the page. A click with a modifier key opens a tab, as in any link. */
export function Link(props: AnchorHTMLAttributes<HTMLAnchorElement> & { href: string }) {
  const onClick = (event: MouseEvent<HTMLAnchorElement>) => {
    props.onClick?.(event);
    const isPlain =
      event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey;
    if (event.defaultPrevented || !isPlain || props.target) return;
    event.preventDefault();
    navigate(props.href);
  };
  return jsx("a", { ...props, onClick });
}
