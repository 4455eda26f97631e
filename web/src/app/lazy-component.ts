import { type ComponentType, type LazyExoticComponent, lazy } from "react";

const FIRST_WAIT_MS = 1_000;
const MAX_TRIES = 7;

/**
 * Load a component when it is first rendered.
 *
 * React never repeats a failed load, so failed loads are repeated here for about two minutes,
 * enough for a lost network to come back. A file that a newer server no longer has fails for good
 * after that time.
 */
export function lazyComponent<P>(
  load: () => Promise<ComponentType<P>>,
): LazyExoticComponent<ComponentType<P>> {
  return lazy(async () => ({ default: await retryLoad(load) }));
}

async function retryLoad<T>(load: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await load();
    } catch (error) {
      if (tries === MAX_TRIES) throw error;
      await new Promise((resolve) => setTimeout(resolve, FIRST_WAIT_MS * 2 ** (tries - 1)));
    }
  }
}
