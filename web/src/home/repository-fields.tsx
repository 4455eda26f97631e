import { useId } from "react";
import type { ServerInfo } from "../api/schema.gen";
import { controlClass, Field } from "../ui/field";
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
            onChange={(event) => onChange({ repo: event.target.value, checks: null })}
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
      {hasWorkingTree(draft) && (
        <label className="dim">
          <input
            type="checkbox"
            checked={draft.includeUncommitted}
            onChange={(event) => onChange({ includeUncommitted: event.target.checked })}
          />{" "}
          Include uncommitted changes
        </label>
      )}
    </div>
  );
}
