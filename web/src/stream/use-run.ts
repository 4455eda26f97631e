/** A run's stream for React. Pages of one run share it. */
import { useSyncExternalStore } from "react";
import { RunStream } from "./stream";

const streams = new Map<string, RunStream>();
const KEPT = 3;

/** The stream of a run; the latest few are kept, so that going back to one shows it at once. */
export function runStream(id: string): RunStream {
  const found = streams.get(id) ?? new RunStream(id);
  streams.delete(id);
  streams.set(id, found);
  for (const old of [...streams.keys()].slice(0, -KEPT)) streams.delete(old);
  return found;
}

/** Subscribe to a run. The view is changed in place: draw by the revisions, not by identity. */
export function useRun(id: string): RunStream {
  const stream = runStream(id);
  useSyncExternalStore(stream.subscribe, () => stream.revision);
  return stream;
}
