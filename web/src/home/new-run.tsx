import { type FormEvent, useState } from "react";
import { ApiError, asError, call } from "../api/client";
import type { ServerInfo } from "../api/schema.gen";
import { queryClient, useGet } from "../app/query";
import { navigate } from "../app/router";
import { Button } from "../ui/button";
import { control, Field } from "../ui/field";
import { Icon } from "../ui/icons";
import { Refusal } from "../ui/states";
import { ChecksEditor } from "./checks";
import { type Change, costs, type Draft, emptyDraft, problems, toSpec } from "./draft";
import { Enforced } from "./enforced";
import home from "./home.module.css";
import { Lineup } from "./lineup";
import styles from "./new-run.module.css";
import { RepositoryFields } from "./repository";

interface Props {
  readonly server: ServerInfo;
  readonly open: boolean;
  readonly onOpen: (open: boolean) => void;
}

export function NewRun({ server, open, onOpen }: Props) {
  if (open) return <Form server={server} />;
  return (
    <button type="button" className={`${home.card} ${styles.closed}`} onClick={() => onOpen(true)}>
      <Icon name="plus" />
      New run
      <kbd>c</kbd>
    </button>
  );
}

function Form({ server }: { server: ServerInfo }) {
  const [draft, setDraft] = useState(() => emptyDraft(server));
  const [asked, setAsked] = useState(false);
  const [refused, setRefused] = useState<Error>();
  const [busy, setBusy] = useState(false);
  const agents = useGet("GET /agents", {}, { staleTime: 60_000 });
  const wrong = asked ? problems(draft, server) : {};
  const fieldError = (name: string) =>
    wrong[name] ?? (refused instanceof ApiError ? refused.field(name) : undefined);
  const change: Change = (changed) => {
    setDraft((before) => ({ ...before, ...changed }));
    setRefused(undefined);
  };

  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setAsked(true);
    if (Object.keys(problems(draft, server)).length > 0) return;
    setBusy(true);
    try {
      const { run_id } = await call("POST /runs", { body: toSpec(draft) });
      void queryClient.invalidateQueries();
      navigate(`/runs/${run_id}`);
    } catch (error) {
      setRefused(asError(error));
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
      <div className={styles.ask}>
        <RepositoryFields
          draft={draft}
          server={server}
          error={fieldError("repo_url") ?? fieldError("ref")}
          onChange={change}
        />
        <PromptField draft={draft} server={server} error={fieldError("prompt")} onChange={change} />
        <ChecksEditor draft={draft} error={fieldError("checks")} onChange={change} />
      </div>
      <div className={styles.how}>
        <Lineup draft={draft} server={server} agents={agents.data ?? []} onChange={change} />
        <Limits draft={draft} server={server} error={fieldError("budget")} onChange={change} />
        {refused && <Refusal error={refused} />}
        <div className={styles.go}>
          <Button type="submit" look="primary" icon="play" busy={busy}>
            {`Start ${draft.seats.length === 1 ? "one agent" : `${draft.seats.length} agents`}`}
          </Button>
          {!server.model_ready && (
            <p className={styles.warning}>No model key is set: runs of your own will fail.</p>
          )}
        </div>
      </div>
    </form>
  );
}

interface FieldProps {
  readonly draft: Draft;
  readonly server: ServerInfo;
  readonly error: string | undefined;
  readonly onChange: Change;
}

function PromptField({ draft, server, error, onChange }: FieldProps) {
  return (
    <Field
      id="prompt"
      label="What shall they do?"
      error={error}
      aside={
        <span className="num">{`${draft.prompt.trim().length} / ${server.max_prompt_length}`}</span>
      }
    >
      {(wiring) => (
        <textarea
          {...wiring}
          className={`${control} ${styles.prompt}`}
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
  "": "the server's choice",
  bubblewrap: "bubblewrap",
  dagger: "Dagger",
} as const;

function Limits({ draft, server, error, onChange }: FieldProps) {
  return (
    <div className={styles.limits}>
      <div className={styles.pair}>
        <Field label="Budget for all, in dollars" error={error}>
          {(wiring) => (
            <input
              {...wiring}
              className={control}
              inputMode="decimal"
              placeholder="no cap"
              value={draft.budget}
              onChange={(event) => onChange({ budget: event.target.value })}
            />
          )}
        </Field>
        <Field label="Sandbox">
          {(wiring) => (
            <select
              {...wiring}
              className={control}
              value={draft.sandbox}
              onChange={(event) => onChange({ sandbox: event.target.value as Draft["sandbox"] })}
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
      <p className={styles.cost}>{costs(draft, server)}</p>
      <Enforced timeout={server.agent_timeout} />
    </div>
  );
}
