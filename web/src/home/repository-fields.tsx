import { useQuery } from "@tanstack/react-query";
import { useEffect, useId, useRef, useState } from "react";
import { callApi } from "../api/client";
import type { ServerInfo } from "../api/schema.gen";
import { controlClass, Field } from "../ui/field";
import { pluralize } from "../ui/format";
import { visibleLine } from "../ui/visible-text";
import styles from "./new-run-form.module.css";
import { type DraftChange, hasWorkingTree, type RunDraft } from "./run-draft";

interface Props {
  readonly draft: RunDraft;
  readonly server: ServerInfo;
  readonly error: string | undefined;
  readonly onChange: DraftChange;
}

export function RepositoryFields({ draft, server, error, onChange }: Props) {
  const list = useId();
  /** The repository as it was when its field lost the focus. */
  const [entered, setEntered] = useState(draft.repo);
  useBrowserAddress(draft, onChange);
  const hint = server.local
    ? "URL, address of a folder, pull request or issue, or absolute path on this machine."
    : `HTTPS URL at ${server.git_hosts.join(", ")}.`;
  const recent = server.recent.filter((each) => each.repo_url !== server.demo_repo);
  return (
    <div className={styles.repository}>
      <Field label="Repository" error={error} hint={hint}>
        {(control) => (
          <input
            {...control}
            className={controlClass}
            list={list}
            spellCheck={false}
            autoCapitalize="off"
            placeholder={server.local ? "/home/me/project" : "https://github.com/user/repo"}
            value={draft.repo}
            onChange={(event) =>
              onChange({ repo: event.target.value, checks: null, includeIgnored: [] })
            }
            onBlur={(event) => setEntered(event.target.value)}
          />
        )}
      </Field>
      <datalist id={list}>
        {recent.map((each) => (
          <option key={each.repo_url} value={each.repo_url} />
        ))}
      </datalist>
      <Field label="Branch, tag or commit">
        {(control) => (
          <input
            {...control}
            className={controlClass}
            spellCheck={false}
            autoCapitalize="off"
            placeholder="default branch"
            value={draft.ref}
            onChange={(event) => onChange({ ref: event.target.value })}
          />
        )}
      </Field>
      {server.local && hasWorkingTree(draft) && (
        <LocalFiles draft={draft} repo={entered.trim()} onChange={onChange} />
      )}
    </div>
  );
}

/** An address that names more than a repository: a folder, a commit, a pull request, an issue. */
const DEEP_ADDRESS = /^https?:\/\/[^/]+\/.+\/(tree|blob|commits?|pull|issues?|merge_requests)\/./;
const TYPING_PAUSE_MS = 600;

/** Take an address as copied from a browser apart, once it is typed: repository, branch, folder. */
function useBrowserAddress(draft: RunDraft, onChange: DraftChange): void {
  const latest = useRef({ draft, onChange });
  latest.current = { draft, onChange };
  const address = draft.repo.trim();
  useEffect(() => {
    if (!DEEP_ADDRESS.test(address)) return;
    const abort = new AbortController();
    const timer = setTimeout(async () => {
      try {
        const found = await callApi("POST /repositories/locate", {
          body: { repo_url: address },
          signal: abort.signal,
        });
        const { draft: now, onChange: change } = latest.current;
        change({
          repo: found.repo_url,
          ref: found.ref ?? now.ref,
          path: found.path || now.path,
          ...(now.prompt === "" && found.prompt ? { prompt: found.prompt } : {}),
        });
      } catch {
        // The server says at the submission what is wrong with it.
      }
    }, TYPING_PAUSE_MS);
    return () => {
      clearTimeout(timer);
      abort.abort();
    };
  }, [address]);
}

/** What the folder has that is in no commit, and what of it goes along. */
function LocalFiles({
  draft,
  repo,
  onChange,
}: {
  draft: RunDraft;
  repo: string;
  onChange: DraftChange;
}) {
  const project = useQuery({
    queryKey: ["inspect", repo],
    queryFn: ({ signal }) =>
      callApi("POST /repositories/inspect", { body: { repo_url: repo }, signal }),
    enabled: repo.startsWith("/") && repo === draft.repo.trim(),
    retry: false,
    staleTime: 30_000,
  });
  const { uncommitted, ignored = [] } = project.data ?? {};
  const toggle = (path: string, isIncluded: boolean) =>
    onChange({
      includeIgnored: isIncluded
        ? [...draft.includeIgnored, path]
        : draft.includeIgnored.filter((each) => each !== path),
    });
  return (
    <div className={styles.localFiles}>
      <label>
        <input
          type="checkbox"
          checked={draft.includeUncommitted}
          onChange={(event) => onChange({ includeUncommitted: event.target.checked })}
        />{" "}
        Include uncommitted changes
        {uncommitted && (
          <span className="dim">
            {` (${pluralize(uncommitted.changed, "changed file")}, ${pluralize(uncommitted.untracked, "new file")})`}
          </span>
        )}
      </label>
      {ignored.map((path) => (
        <label key={path}>
          <input
            type="checkbox"
            checked={draft.includeIgnored.includes(path)}
            onChange={(event) => toggle(path, event.target.checked)}
          />{" "}
          Let sandboxes see the ignored file <code>{visibleLine(path)}</code>
        </label>
      ))}
    </div>
  );
}
