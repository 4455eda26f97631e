/**
 * React hooks for a run: its event stream, shared by all views, and its details, refetched when the
 * stream tells of a change.
 */
import { useQueryClient } from "@tanstack/react-query";
import { useEffect, useSyncExternalStore } from "react";
import { useGet } from "../app/api-query";
import { RunStream } from "./run-stream";

const streams = new Map<string, RunStream>();
const MAX_STREAMS = 3;

/**
 * Return the stream of a run. The latest few are kept, so that going back to a run shows it at
 * once.
 */
function sharedStream(id: string): RunStream {
  const stream = streams.get(id) ?? new RunStream(id);
  streams.delete(id);
  streams.set(id, stream);
  for (const old of [...streams.keys()].slice(0, -MAX_STREAMS)) streams.delete(old);
  return stream;
}

/** Subscribe to a run. The view is changed in place: compare revisions, not identity. */
function useRunStream(id: string): RunStream {
  const stream = sharedStream(id);
  useSyncExternalStore(stream.subscribe, () => stream.revision);
  return stream;
}

const DETAILS_ROUTE = "GET /runs/{run_id}";
/** Another person may decide; the stream of an ended run would not tell. */
const REFETCH_MS = 10_000;

/**
 * Return the details of a run with its evidence, refetched when its stream tells of a change, and
 * the stream.
 */
export function useRunDetails(id: string) {
  const stream = useRunStream(id);
  const details = useGet(
    DETAILS_ROUTE,
    { path: { run_id: id } },
    { refetchInterval: REFETCH_MS, retry: false },
  );
  const client = useQueryClient();
  const version = detailsVersion(stream);
  // biome-ignore lint/correctness/useExhaustiveDependencies: a new version triggers the read
  useEffect(() => void client.invalidateQueries({ queryKey: [DETAILS_ROUTE] }), [version, client]);
  return { details, stream };
}

/** Return a string that changes whenever the answer of `GET /runs/{id}` changes. */
function detailsVersion({ view }: RunStream): string {
  const variations = view.variations.map(
    (variation) => `${variation.attempt}${variation.endedAt ?? ""}${variation.cleared ?? ""}`,
  );
  const chosen = view.selected?.winning_variation_id;
  const reasons = view.ranking?.reasons.join();
  return [view.status, chosen, view.publication?.branch, reasons, ...variations].join();
}
