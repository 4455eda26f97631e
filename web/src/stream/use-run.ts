/** A run for React: its stream, which all its pages share, and the details that the stream says to read anew. */
import { useQueryClient } from "@tanstack/react-query";
import { useEffect, useSyncExternalStore } from "react";
import { useGet } from "../app/query";
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
function useRun(id: string): RunStream {
  const stream = runStream(id);
  useSyncExternalStore(stream.subscribe, () => stream.revision);
  return stream;
}

const DETAILS = "GET /runs/{run_id}";
/** Somebody else may decide; nothing of a settled run's stream would say so. */
const LOOK_AGAIN_MS = 10_000;

/** The run with its evidence; read anew when the stream has told something that is in it. */
export function useDetails(id: string) {
  const stream = useRun(id);
  const details = useGet(
    DETAILS,
    { path: { run_id: id } },
    { refetchInterval: LOOK_AGAIN_MS, retry: false },
  );
  const client = useQueryClient();
  const told = tellingState(stream);
  // biome-ignore lint/correctness/useExhaustiveDependencies: what was told is the reason to read, not an input
  useEffect(() => void client.invalidateQueries({ queryKey: [DETAILS] }), [told, client]);
  return { details, stream };
}

/** Changes with everything that `GET /runs/{id}` would answer differently for. */
function tellingState({ view }: RunStream): string {
  const lanes = view.lanes.map(
    (lane) => `${lane.attempt}${lane.endedAt ?? ""}${lane.cleared ?? ""}`,
  );
  const chosen = view.selected?.winning_variation_id;
  const reasons = view.ranking?.reasons.join();
  return [view.status, chosen, view.publication?.branch, reasons, ...lanes].join();
}
