/** Diffs of the compared variations. */
import { useQueries } from "@tanstack/react-query";
import { callApi } from "../api/client";
import type { FileDiff, RunDetails } from "../api/schema.gen";

const DIFF_ROUTE = "GET /runs/{run_id}/variations/{number}/diff";

/** Return the diffs by variation; diffs that are not loaded yet are missing. */
export function useDiffs(details: RunDetails, numbers: readonly number[]) {
  const readable = numbers.filter((number) => details.variations[number - 1]?.verdict);
  return useQueries({
    queries: readable.map((number) => {
      const path = { run_id: details.id, number };
      return {
        // A follow-up changes the patch.
        queryKey: [DIFF_ROUTE, path, details.variations[number - 1]?.finished_at],
        queryFn: () => callApi(DIFF_ROUTE, { path }),
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
