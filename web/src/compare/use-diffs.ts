/** Diffs of the compared variations. */
import { useQueries } from "@tanstack/react-query";
import { useMemo } from "react";
import { callApi } from "../api/client";
import type { FileDiff, RunDetails } from "../api/schema.gen";

const DIFF_ROUTE = "GET /runs/{run_id}/variations/{number}/diff";

/** Return the diffs by variation; diffs that are not loaded yet are missing. */
export function useDiffs(details: RunDetails, numbers: readonly number[]) {
  const readable = numbers.filter((number) => details.variations[number - 1]?.verdict);
  const read = useQueries({
    queries: readable.map((number) => {
      const path = { run_id: details.id, number };
      return {
        // A follow-up changes the patch.
        queryKey: [DIFF_ROUTE, path, details.variations[number - 1]?.finished_at],
        queryFn: () => callApi(DIFF_ROUTE, { path }),
        staleTime: Number.POSITIVE_INFINITY,
      };
    }),
    // What is returned here keeps its identity as long as it is equal; a map would not.
    combine: (results) => ({
      files: results.map((result) => result.data),
      isPending: results.some((result) => result.isPending),
      error: results.find((result) => result.error)?.error ?? null,
    }),
  });
  const { files, isPending, error } = read;
  const shown = readable.join();
  const diffs = useMemo(() => {
    const found = new Map<number, readonly FileDiff[]>();
    for (const [index, number] of shown.split(",").entries()) {
      const each = files[index];
      if (each) found.set(Number(number), each);
    }
    return found;
  }, [shown, files]);
  return { diffs, isPending, error };
}
