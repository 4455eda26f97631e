/** State of a variation's workbench: its terminals and previews. */
import { useQueryClient } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { callApi, toError } from "../api/client";
import type { Place, PreviewOut, TerminalOut, WorkbenchOut } from "../api/schema.gen";
import { useGet } from "../app/api-query";
import { useQueryValue } from "../app/router";
import { visibleLine } from "../ui/visible-text";

const TERMINALS_ROUTE = "GET /runs/{run_id}/variations/{number}/terminals";
/** Another page may open or close items; no event tells. */
const REFETCH_MS = 10_000;

export type WorkbenchItem =
  | { readonly key: string; readonly kind: "terminal"; readonly terminal: TerminalOut }
  | { readonly key: string; readonly kind: "preview"; readonly preview: PreviewOut };

/** Value of the query parameter `show` for the form of a new preview. */
export const PREVIEW_FORM = "new";

/** Return the open items, each with its name in the query parameter `show`: t1, t2, p1. */
function workbenchItems(open: WorkbenchOut | undefined): readonly WorkbenchItem[] {
  const terminals = open?.terminals ?? [];
  const previews = open?.previews ?? [];
  return [
    ...terminals.map((terminal, index) => ({
      key: `t${index + 1}`,
      kind: "terminal" as const,
      terminal,
    })),
    ...previews.map((preview, index) => ({
      key: `p${index + 1}`,
      kind: "preview" as const,
      preview,
    })),
  ];
}

export function itemLabel(item: WorkbenchItem): string {
  if (item.kind === "preview") return `Preview :${item.preview.port}`;
  return item.terminal.command === null
    ? `Terminal ${item.key.slice(1)}`
    : visibleLine(item.terminal.command);
}

export function placeText(place: Place, number: number): string {
  return place === "agent"
    ? "In the agent's sandbox: the agent sees your changes, and it closes when its turn ends."
    : `In a copy of variation ${number}: your changes here are discarded.`;
}

/**
 * Workbench of one variation: its items, the selected one, and the actions. Another `turn` makes it
 * read the items again.
 */
export function useWorkbench(runId: string, number: number, turn: string) {
  const path = { run_id: runId, number };
  const query = useGet(TERMINALS_ROUTE, { path }, { refetchInterval: REFETCH_MS });
  const client = useQueryClient();
  // biome-ignore lint/correctness/useExhaustiveDependencies: a new turn triggers the read
  useEffect(() => void client.invalidateQueries({ queryKey: [TERMINALS_ROUTE] }), [turn, client]);
  const [selectedKey, select] = useQueryValue("show");
  const [error, setError] = useState<Error>();
  const [createdId, setCreatedId] = useState<string>();
  const items = workbenchItems(query.data);
  const selected =
    selectedKey === PREVIEW_FORM
      ? null
      : (items.find((item) => item.key === selectedKey) ?? items[0] ?? null);

  /** Perform an action, read the items again, and select the item that it created. */
  const act = async (action: () => Promise<{ readonly id: string } | undefined>): Promise<void> => {
    setError(undefined);
    try {
      const id = (await action())?.id;
      setCreatedId(id);
      await client.invalidateQueries({ queryKey: [TERMINALS_ROUTE] });
      const items = workbenchItems(client.getQueryData<WorkbenchOut>([TERMINALS_ROUTE, { path }]));
      select(items.find((item) => idOf(item) === id)?.key ?? null);
    } catch (thrown) {
      setError(toError(thrown));
    }
  };
  const post = (command: string | null) =>
    callApi("POST /runs/{run_id}/variations/{number}/terminals", { path, body: { command } });

  return {
    query,
    items,
    selected,
    isPreviewForm: selectedKey === PREVIEW_FORM,
    error,
    /** Id of the item that the user opened last. */
    createdId,
    select,
    open: () => act(() => post(null)),
    reopen: (ended: TerminalOut) =>
      act(async () => {
        await callApi("DELETE /terminals/{terminal_id}", { path: { terminal_id: ended.id } });
        return post(ended.command);
      }),
    preview: (port: number, command: string) =>
      act(async () => {
        if (command !== "") await post(command);
        return callApi("POST /runs/{run_id}/variations/{number}/previews", {
          path,
          body: { port },
        });
      }),
    close: (item: WorkbenchItem) =>
      act(() =>
        item.kind === "terminal"
          ? callApi("DELETE /terminals/{terminal_id}", { path: { terminal_id: item.terminal.id } })
          : callApi("DELETE /previews/{preview_id}", { path: { preview_id: item.preview.id } }),
      ),
  };
}

export type WorkbenchState = ReturnType<typeof useWorkbench>;

function idOf(item: WorkbenchItem): string {
  return item.kind === "terminal" ? item.terminal.id : item.preview.id;
}
