import { type FormEvent, useEffect, useRef, useState } from "react";
import { ApiError, callApi, toError } from "../api/client";
import type { ServerInfo } from "../api/schema.gen";
import { queryClient, useGet } from "../app/api-query";
import { navigate } from "../app/router";
import { Button } from "../ui/button";
import { controlClass, Field } from "../ui/field";
import { formatThousands, pluralize } from "../ui/format";
import { Icon } from "../ui/icons";
import { ErrorNotice } from "../ui/page-states";
import { ChecksEditor } from "./checks-editor";
import { EnforcedLimits } from "./enforced-limits";
import home from "./home-page.module.css";
import { LineupEditor } from "./lineup-editor";
import { MoreFields } from "./more-fields";
import styles from "./new-run-form.module.css";
import { RepositoryFields } from "./repository-fields";
import {
  costEstimate,
  type DraftChange,
  type RunDraft,
  toRunSpec,
  validateDraft,
} from "./run-draft";
import { useRunDraft } from "./use-run-draft";

interface Props {
  readonly server: ServerInfo;
  /** A run's submission to repeat. */
  readonly first: RunDraft | null;
  readonly open: boolean;
  readonly onOpen: () => void;
}

export function NewRunCard({ server, first, open, onOpen }: Props) {
  if (open) return <NewRunForm server={server} first={first} />;
  return (
    <button type="button" className={`${home.card} ${styles.collapsed}`} onClick={onOpen}>
      <Icon name="plus" />
      New run
      <kbd>c</kbd>
    </button>
  );
}

function NewRunForm({ server, first }: Pick<Props, "server" | "first">) {
  const [draft, setDraft, forget] = useRunDraft(server, first);
  const [submitted, setSubmitted] = useState(0);
  const [refused, setRefused] = useState<Error>();
  const [busy, setBusy] = useState(false);
  const form = useRef<HTMLFormElement>(null);
  useFocusOnError(form, submitted, refused);
  const catalog = useGet("GET /agents", {}, { staleTime: 60_000 });
  const errors = submitted > 0 ? validateDraft(draft, server) : {};
  const fieldError = (name: string) =>
    errors[name] ?? (refused instanceof ApiError ? refused.fieldError(name) : undefined);
  const change: DraftChange = (changed) => {
    setDraft(changed);
    setRefused(undefined);
  };

  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setSubmitted((before) => before + 1);
    if (Object.keys(validateDraft(draft, server)).length > 0) return;
    setBusy(true);
    try {
      const { run_id } = await callApi("POST /runs", {
        query: { short_prompt: true, find_first: true },
        body: toRunSpec(draft),
      });
      forget();
      void queryClient.invalidateQueries();
      navigate(`/runs/${run_id}`);
    } catch (error) {
      setRefused(toError(error));
      setBusy(false);
    }
  };

  return (
    <form
      ref={form}
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
        <MoreFields draft={draft} server={server} fieldError={fieldError} onChange={change} />
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

/** After a refused submission, put the focus on the first field that is wrong. */
function useFocusOnError(
  form: React.RefObject<HTMLFormElement | null>,
  submitted: number,
  refused: Error | undefined,
): void {
  // biome-ignore lint/correctness/useExhaustiveDependencies: each submission and refusal counts
  useEffect(() => {
    const wrong = form.current?.querySelector<HTMLElement>('[aria-invalid="true"]');
    wrong?.closest("details")?.setAttribute("open", "");
    wrong?.focus();
    wrong?.scrollIntoView({ block: "nearest" });
  }, [form, submitted, refused]);
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
      hint="What should the agents do? Ctrl+Enter starts them."
      aside={
        <span className="num">{`${formatThousands(draft.prompt.trim().length)} / ${formatThousands(server.max_prompt_length)}`}</span>
      }
    >
      {(control) => (
        <textarea
          {...control}
          className={`${controlClass} ${styles.prompt}`}
          rows={6}
          dir="auto"
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
