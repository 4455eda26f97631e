import { type ComponentType, type LazyExoticComponent, lazy } from "react";

const FIRST_WAIT_MS = 1_000;
const MAX_TRIES = 7;

/**
 * A component that is loaded when it is first shown. React remembers for good that one could not be loaded, so a loss of
 * the network is waited out for two minutes; a server of another version, which no longer has the file, is not.
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
