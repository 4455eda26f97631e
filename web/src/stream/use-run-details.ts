/** A run for React: its stream, which all its pages share, and the details that the stream says to read anew. */
import { useQueryClient } from "@tanstack/react-query";
import { useEffect, useSyncExternalStore } from "react";
import { useGet } from "../app/api-query";
import { RunStream } from "./run-stream";

const streams = new Map<string, RunStream>();
const MAX_STREAMS = 3;

/** The stream of a run; the latest few are kept, so that going back to one shows it at once. */
export function sharedStream(id: string): RunStream {
  const found = streams.get(id) ?? new RunStream(id);
  streams.delete(id);
  streams.set(id, found);
  for (const old of [...streams.keys()].slice(0, -MAX_STREAMS)) streams.delete(old);
  return found;
}

/** Subscribe to a run. The view is changed in place: draw by the revisions, not by identity. */
function useRunStream(id: string): RunStream {
  const stream = sharedStream(id);
  useSyncExternalStore(stream.subscribe, () => stream.revision);
  return stream;
}

const DETAILS_ROUTE = "GET /runs/{run_id}";
/** Somebody else may decide; nothing of a settled run's stream would say so. */
const REFETCH_MS = 10_000;

/** The run with its evidence; read anew when the stream has told something that is in it. */
export function useRunDetails(id: string) {
  const stream = useRunStream(id);
  const details = useGet(
    DETAILS_ROUTE,
    { path: { run_id: id } },
    { refetchInterval: REFETCH_MS, retry: false },
  );
  const client = useQueryClient();
  const told = detailsVersion(stream);
  // biome-ignore lint/correctness/useExhaustiveDependencies: what was told is the reason to read, not an input
  useEffect(() => void client.invalidateQueries({ queryKey: [DETAILS_ROUTE] }), [told, client]);
  return { details, stream };
}

/** Changes with everything that `GET /runs/{id}` would answer differently for. */
function detailsVersion({ view }: RunStream): string {
  const variations = view.variations.map(
    (variation) => `${variation.attempt}${variation.endedAt ?? ""}${variation.cleared ?? ""}`,
  );
  const chosen = view.selected?.winning_variation_id;
  const reasons = view.ranking?.reasons.join();
  return [view.status, chosen, view.publication?.branch, reasons, ...variations].join();
}
