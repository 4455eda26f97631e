/** Comments of a run, kept in the browser so that they survive a reload and a lost session. */
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { callApi } from "../../api/client";
import type { FileDiff, RunDetails } from "../../api/schema.gen";
import type { RunStream } from "../../stream/run-stream";
import { type CommentedLine, followUpText, type ReviewComment, recipients } from "./comments";
import { parseComments } from "./stored-comments";

export interface Review {
  readonly comments: readonly ReviewComment[];
  /** Begin a comment on a line. */
  readonly begin: (line: CommentedLine) => void;
  readonly update: (id: string, change: Partial<ReviewComment>) => void;
  readonly remove: (id: string) => void;
  /**
   * Send all written comments, each agent's together in one follow-up.
   *
   * @throws Error A follow-up was refused; comments that no agent has got are kept as unsent.
   */
  readonly send: (diffs: ReadonlyMap<number, readonly FileDiff[]>) => Promise<readonly number[]>;
}

export function useReview(details: RunDetails, stream: RunStream): Review {
  const key = `review ${details.id}`;
  const client = useQueryClient();
  const [comments, setComments] = useState(() => parseComments(readStorage(key)));
  const change = (edit: (before: readonly ReviewComment[]) => readonly ReviewComment[]) =>
    setComments((before) => {
      const next = edit(before);
      writeStorage(key, JSON.stringify(next));
      return next;
    });
  const update = (id: string, changed: Partial<ReviewComment>) =>
    change((before) => before.map((each) => (each.id === id ? { ...each, ...changed } : each)));
  return {
    comments,
    begin: (line) => change((before) => [...before, newComment(line)]),
    update,
    remove: (id) => change((before) => before.filter((each) => each.id !== id)),
    send: async (diffs) => {
      const byAgent = unsentByAgent(details, comments, diffs);
      for (const [number, carried] of byAgent) {
        await callApi("POST /runs/{run_id}/variations/{number}/prompt", {
          path: { run_id: details.id, number },
          body: { prompt: followUpText(carried) },
        });
        const ended = details.variations[number - 1]?.finished_at ?? "";
        const ids = carried.map((each) => each.id);
        change((before) =>
          before.map((each) =>
            ids.includes(each.id) ? { ...each, sent: { ...each.sent, [number]: ended } } : each,
          ),
        );
      }
      stream.resume();
      await client.invalidateQueries();
      return [...byAgent.keys()];
    },
  };
}

/** Return the comments that are written and not sent. */
export function unsent(comments: readonly ReviewComment[]): readonly ReviewComment[] {
  return comments.filter((each) => each.sent === null && !each.isOpen);
}

/** Return the unsent comments by the agent that gets them. */
export function unsentByAgent(
  details: RunDetails,
  comments: readonly ReviewComment[],
  diffs: ReadonlyMap<number, readonly FileDiff[]>,
): ReadonlyMap<number, readonly ReviewComment[]> {
  const byAgent = new Map<number, ReviewComment[]>();
  for (const comment of unsent(comments))
    for (const number of recipients(comment, diffs, details.variations))
      byAgent.set(number, [...(byAgent.get(number) ?? []), comment]);
  return byAgent;
}

function newComment(line: CommentedLine): ReviewComment {
  const written = { body: "", suggestion: null, toAll: false, isOpen: true, sent: null };
  return { ...line, ...written, id: crypto.randomUUID() };
}

function readStorage(key: string): string | null {
  try {
    return localStorage.getItem(key);
  } catch {
    return null; // the browser may refuse storage
  }
}

function writeStorage(key: string, value: string): void {
  try {
    localStorage.setItem(key, value);
  } catch {
    // The browser may refuse storage; the comments then last until the page is left.
  }
}
