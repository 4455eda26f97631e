/** The draft of a new run, kept in this browser for each repository until it is submitted. */
import { useCallback, useState } from "react";
import type { ServerInfo } from "../api/schema.gen";
import { readDraft, writeDraft } from "../ui/stored-draft";
import { type DraftChange, emptyDraft, newKey, type RunDraft } from "./run-draft";

/** Holds the repository of the newest draft. */
const NEWEST = "new-run";

function nameFor(repo: string): string {
  return `${NEWEST}:${repo.trim()}`;
}

/** Return the stored draft for a repository, with list keys of this page. */
function stored(repo: string, server: ServerInfo): RunDraft | null {
  const found = readDraft(nameFor(repo)) as Partial<RunDraft> | undefined;
  if (typeof found !== "object" || found === null) return null;
  // A draft of an earlier version lacks some fields.
  const draft = { ...emptyDraft(server), ...found };
  return {
    ...draft,
    lineup: draft.lineup.map((agent) => ({ ...agent, key: newKey() })),
    checks: draft.checks?.map((check) => ({ ...check, key: newKey() })) ?? null,
  };
}

/** Return the newest draft that was left unsent. */
export function newestDraft(server: ServerInfo): RunDraft | null {
  const repo = readDraft(NEWEST);
  return typeof repo === "string" ? stored(repo, server) : null;
}

/**
 * Return the draft, a function that changes it, and one that forgets it once it was submitted.
 *
 * A change of the repository brings back that repository's prompt, unless another one was typed.
 */
export function useRunDraft(
  server: ServerInfo,
  first: RunDraft | null,
): readonly [RunDraft, DraftChange, () => void] {
  const [draft, setDraft] = useState(() => first ?? newestDraft(server) ?? emptyDraft(server));
  const change: DraftChange = useCallback(
    (changed) =>
      setDraft((before) => {
        const next = { ...draftBefore(before, changed.repo, server), ...changed };
        writeDraft(nameFor(next.repo), next);
        writeDraft(NEWEST, next.repo);
        return next;
      }),
    [server],
  );
  const forget = useCallback(() => {
    writeDraft(nameFor(draft.repo), undefined);
    writeDraft(NEWEST, undefined);
  }, [draft.repo]);
  return [draft, change, forget];
}

/**
 * Return what a change applies to: another repository's own draft where no prompt was typed, else
 * the present one, which moves along.
 */
function draftBefore(before: RunDraft, repo: string | undefined, server: ServerInfo): RunDraft {
  if (repo === undefined || repo === before.repo) return before;
  if (before.prompt === "") return stored(repo, server) ?? before;
  writeDraft(nameFor(before.repo), undefined);
  return before;
}
