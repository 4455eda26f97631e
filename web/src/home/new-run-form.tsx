import { type FormEvent, useState } from "react";
import { ApiError, callApi, toError } from "../api/client";
import type { ServerInfo } from "../api/schema.gen";
import { queryClient, useGet } from "../app/api-query";
import { navigate } from "../app/router";
import { Button } from "../ui/button";
import { controlClass, Field } from "../ui/field";
import { pluralize } from "../ui/format";
import { Icon } from "../ui/icons";
import { ErrorNotice } from "../ui/page-states";
import { ChecksEditor } from "./checks-editor";
import { EnforcedLimits } from "./enforced-limits";
import home from "./home-page.module.css";
import { LineupEditor } from "./lineup-editor";
import styles from "./new-run-form.module.css";
import { RepositoryFields } from "./repository-fields";
import {
  costEstimate,
  type DraftChange,
  emptyDraft,
  type RunDraft,
  toRunSpec,
  validateDraft,
} from "./run-draft";

interface Props {
  readonly server: ServerInfo;
  readonly open: boolean;
  readonly onOpen: (open: boolean) => void;
}

export function NewRunCard({ server, open, onOpen }: Props) {
  if (open) return <NewRunForm server={server} />;
  return (
    <button
      type="button"
      className={`${home.card} ${styles.collapsed}`}
      onClick={() => onOpen(true)}
    >
      <Icon name="plus" />
      New run
      <kbd>c</kbd>
    </button>
  );
}

function NewRunForm({ server }: { server: ServerInfo }) {
  const [draft, setDraft] = useState(() => emptyDraft(server));
  const [submitted, setSubmitted] = useState(false);
  const [refused, setRefused] = useState<Error>();
  const [busy, setBusy] = useState(false);
  const catalog = useGet("GET /agents", {}, { staleTime: 60_000 });
  const errors = submitted ? validateDraft(draft, server) : {};
  const fieldError = (name: string) =>
    errors[name] ?? (refused instanceof ApiError ? refused.fieldError(name) : undefined);
  const change: DraftChange = (changed) => {
    setDraft((before) => ({ ...before, ...changed }));
    setRefused(undefined);
  };

  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setSubmitted(true);
    if (Object.keys(validateDraft(draft, server)).length > 0) return;
    setBusy(true);
    try {
      const { run_id } = await callApi("POST /runs", {
        query: { short_prompt: true, find_first: true },
        body: toRunSpec(draft),
      });
      void queryClient.invalidateQueries();
      navigate(`/runs/${run_id}`);
    } catch (error) {
      setRefused(toError(error));
      setBusy(false);
    }
  };

  return (
    <form
      className={`${home.card} ${styles.form}`}
      onSubmit={submit}
      noValidate
      aria-label="New run"
    >
      <div className={styles.taskColumn}>
        <RepositoryFields
          draft={draft}
          server={server}
          error={fieldError("repo_url") ?? fieldError("ref")}
          onChange={change}
        />
        <PromptField draft={draft} server={server} error={fieldError("prompt")} onChange={change} />
        <ChecksEditor draft={draft} error={fieldError("checks")} onChange={change} />
      </div>
      <div className={styles.settingsColumn}>
        <LineupEditor
          draft={draft}
          server={server}
          catalog={catalog.data ?? []}
          onChange={change}
        />
        <LimitFields draft={draft} server={server} error={fieldError("budget")} onChange={change} />
        {refused && <ErrorNotice error={refused} />}
        <div className={styles.submitRow}>
          <Button type="submit" variant="primary" icon="play" busy={busy}>
            {`Start ${pluralize(draft.lineup.length, "agent")}`}
          </Button>
          {!server.model_ready && (
            <p className={styles.warning}>
              No model key is set, so only the demo can run. Restart the server with a key.
            </p>
          )}
        </div>
      </div>
    </form>
  );
}

interface FieldProps {
  readonly draft: RunDraft;
  readonly server: ServerInfo;
  readonly error: string | undefined;
  readonly onChange: DraftChange;
}

function PromptField({ draft, server, error, onChange }: FieldProps) {
  return (
    <Field
      id="prompt"
      label="Prompt"
      error={error}
      aside={
        <span className="num">{`${draft.prompt.trim().length} / ${server.max_prompt_length}`}</span>
      }
    >
      {(control) => (
        <textarea
          {...control}
          className={`${controlClass} ${styles.prompt}`}
          rows={6}
          placeholder="Make wrap() cut words that are longer than the line, as its docstring says."
          value={draft.prompt}
          onChange={(event) => onChange({ prompt: event.target.value })}
        />
      )}
    </Field>
  );
}

const SANDBOXES = {
  "": "Default",
  bubblewrap: "bubblewrap",
  dagger: "Dagger",
} as const;

function LimitFields({ draft, server, error, onChange }: FieldProps) {
  return (
    <div className={styles.limits}>
      <div className={styles.pair}>
        <Field label="Budget for all agents, in dollars" error={error}>
          {(control) => (
            <input
              {...control}
              className={controlClass}
              inputMode="decimal"
              placeholder="no limit"
              value={draft.budget}
              onChange={(event) => onChange({ budget: event.target.value })}
            />
          )}
        </Field>
        <Field label="Sandbox">
          {(control) => (
            <select
              {...control}
              className={controlClass}
              value={draft.sandbox}
              onChange={(event) => onChange({ sandbox: event.target.value as RunDraft["sandbox"] })}
            >
              {Object.entries(SANDBOXES).map(([value, label]) => (
                <option key={value} value={value}>
                  {label}
                </option>
              ))}
            </select>
          )}
        </Field>
      </div>
      <p className={styles.cost}>{costEstimate(draft, server)}</p>
      <EnforcedLimits timeout={server.agent_timeout} />
    </div>
  );
}
