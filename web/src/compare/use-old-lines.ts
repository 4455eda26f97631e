/** Lines of files on the old side of the shown diff, loaded when a gap of the file is opened. */
import { useQueries } from "@tanstack/react-query";
import { useEffect, useMemo } from "react";
import { callApi } from "../api/client";
import type { FileDiff } from "../api/schema.gen";
import { showErrorToast } from "../ui/toast";
import { applyChange } from "./diff/old-lines";

const FILE_ROUTE = "GET /runs/{run_id}/file";

/**
 * Return the loaded lines by path.
 *
 * @param change Diff of the old side against the base; null where the old side is the base.
 */
export function useOldLines(
  runId: string,
  paths: readonly string[],
  change: readonly FileDiff[] | null,
): ReadonlyMap<string, readonly string[]> {
  const read = useQueries({
    queries: paths.map((path) => ({
      queryKey: [FILE_ROUTE, runId, path],
      queryFn: () => callApi(FILE_ROUTE, { path: { run_id: runId }, query: { path } }),
      staleTime: Number.POSITIVE_INFINITY,
      retry: false,
    })),
    combine: (results) => ({
      files: results.flatMap((result) => (result.data ? [result.data] : [])),
      error: results.find((result) => result.error)?.error ?? null,
    }),
  });
  const { files, error } = read;
  useEffect(() => {
    if (error) showErrorToast(error);
  }, [error]);
  return useMemo(
    () =>
      new Map(
        files.map((file) => [
          file.path,
          applyChange(
            file.lines,
            change?.find((each) => each.path === file.path),
          ),
        ]),
      ),
    [files, change],
  );
}
