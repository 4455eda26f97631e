/** What a comparison reads: the run, its diffs, and the stream that says when to read again. */
import { useQueries, useQueryClient } from "@tanstack/react-query";
import { useEffect } from "react";
import { call } from "../api/client";
import type { FileDiff, RunDetails } from "../api/schema.gen";
import { useGet } from "../app/query";
import type { RunStream } from "../stream/stream";
import { useRun } from "../stream/use-run";

const DETAILS = "GET /runs/{run_id}";
const DIFF = "GET /runs/{run_id}/variations/{number}/diff";
/** Somebody else may decide; nothing of a settled run's stream would say so. */
const LOOK_AGAIN_MS = 10_000;

/** The run with its evidence; read anew when the stream has told something that is in it. */
export function useDetails(id: string) {
  const stream = useRun(id);
  const details = useGet(DETAILS, { path: { run_id: id } }, { refetchInterval: LOOK_AGAIN_MS, retry: false });
  const client = useQueryClient();
  const told = tellingState(stream);
  // biome-ignore lint/correctness/useExhaustiveDependencies: what was told is the reason to read, not an input
  useEffect(() => void client.invalidateQueries({ queryKey: [DETAILS] }), [told, client]);
  return { details, stream };
}

/** Changes with everything that `GET /runs/{id}` would answer differently for. */
function tellingState({ view }: RunStream): string {
  const lanes = view.lanes.map((lane) => `${lane.attempt}${lane.endedAt ?? ""}${lane.cleared ?? ""}`);
  const chosen = view.selected?.winning_variation_id;
  const reasons = view.ranking?.reasons.join();
  return [view.status, chosen, view.publication?.branch, reasons, ...lanes].join();
}

/** The diffs of some variations, by number; those that are not there yet are missing. */
export function useDiffs(details: RunDetails, numbers: readonly number[]) {
  const readable = numbers.filter((number) => details.variations[number - 1]?.verdict);
  return useQueries({
    queries: readable.map((number) => {
      const path = { run_id: details.id, number };
      return {
        // A follow-up turn changes the patch.
        queryKey: [DIFF, path, details.variations[number - 1]?.finished_at],
        queryFn: () => call(DIFF, { path }),
        staleTime: Number.POSITIVE_INFINITY,
      };
    }),
    combine: (results) => {
      const diffs = new Map<number, readonly FileDiff[]>();
      for (const [index, result] of results.entries()) {
        const number = readable[index];
        if (number !== undefined && result.data) diffs.set(number, result.data);
      }
      return {
        diffs,
        isPending: results.some((result) => result.isPending),
        error: results.find((result) => result.error)?.error ?? null,
      };
    },
  });
}
