/** What is open at a variation: terminals and previews. */
import { useQueryClient } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { asError, call } from "../api/client";
import type { DeskOut, Place, PreviewOut, TerminalOut } from "../api/schema.gen";
import { useGet } from "../app/query";
import { useQueryValue } from "../app/router";
import { line } from "../ui/plain";

const DESK = "GET /runs/{run_id}/variations/{number}/terminals";
/** Another page may open and close; nothing tells this one. */
const LOOK_AGAIN_MS = 10_000;

export type Item =
  | { readonly key: string; readonly what: "terminal"; readonly terminal: TerminalOut }
  | { readonly key: string; readonly what: "preview"; readonly preview: PreviewOut };

/** The address of the form for another preview. */
export const FORM = "new";

/** What is open, each with the name by which the page's address calls it: t1, t2, p1. */
export function itemsOf(desk: DeskOut | undefined): readonly Item[] {
  const terminals = desk?.terminals ?? [];
  const previews = desk?.previews ?? [];
  return [
    ...terminals.map((terminal, index) => ({
      key: `t${index + 1}`,
      what: "terminal" as const,
      terminal,
    })),
    ...previews.map((preview, index) => ({
      key: `p${index + 1}`,
      what: "preview" as const,
      preview,
    })),
  ];
}

export function nameOf(item: Item): string {
  if (item.what === "preview") return `Preview :${item.preview.port}`;
  return item.terminal.command === null
    ? `Terminal ${item.key.slice(1)}`
    : line(item.terminal.command);
}

export function whereIs(place: Place, number: number): string {
  return place === "agent"
    ? "In the agent's sandbox: it works with what you do there, and this ends with its turn."
    : `On a copy of variation ${number}: what you do here is thrown away.`;
}

/**
 * The desk of one variation: what is on it, what of it is shown, and what can be done. It is read anew when the
 * variation's turn is another one.
 */
export function useDesk(runId: string, number: number, turn: string) {
  const path = { run_id: runId, number };
  const desk = useGet(DESK, { path }, { refetchInterval: LOOK_AGAIN_MS });
  const client = useQueryClient();
  // biome-ignore lint/correctness/useExhaustiveDependencies: another turn is the reason to read, not an input
  useEffect(() => void client.invalidateQueries({ queryKey: [DESK] }), [turn, client]);
  const [wanted, show] = useQueryValue("show");
  const [refused, setRefused] = useState<Error>();
  const [made, setMade] = useState<string>();
  const items = itemsOf(desk.data);
  const shown =
    wanted === FORM ? null : (items.find((item) => item.key === wanted) ?? items[0] ?? null);

  /** Do something, read what is open then, and show what was made by it. */
  const act = async (what: () => Promise<{ readonly id: string } | undefined>): Promise<void> => {
    setRefused(undefined);
    try {
      const id = (await what())?.id;
      setMade(id);
      await client.invalidateQueries({ queryKey: [DESK] });
      const now = itemsOf(client.getQueryData<DeskOut>([DESK, { path }]));
      show(now.find((item) => idOf(item) === id)?.key ?? null);
    } catch (error) {
      setRefused(asError(error));
    }
  };
  const post = (command: string | null) =>
    call("POST /runs/{run_id}/variations/{number}/terminals", { path, body: { command } });

  return {
    desk,
    items,
    shown,
    isForm: wanted === FORM,
    refused,
    /** The id of what a person has opened last. */
    made,
    show,
    open: () => act(() => post(null)),
    again: (ended: TerminalOut) =>
      act(async () => {
        await call("DELETE /terminals/{terminal_id}", { path: { terminal_id: ended.id } });
        return post(ended.command);
      }),
    preview: (port: number, command: string) =>
      act(async () => {
        if (command !== "") await post(command);
        return call("POST /runs/{run_id}/variations/{number}/previews", { path, body: { port } });
      }),
    close: (item: Item) =>
      act(() =>
        item.what === "terminal"
          ? call("DELETE /terminals/{terminal_id}", { path: { terminal_id: item.terminal.id } })
          : call("DELETE /previews/{preview_id}", { path: { preview_id: item.preview.id } }),
      ),
  };
}

export type DeskHandle = ReturnType<typeof useDesk>;

function idOf(item: Item): string {
  return item.what === "terminal" ? item.terminal.id : item.preview.id;
}
