import { useState } from "react";
import { asError, call } from "../api/client";
import { Button } from "../ui/button";
import { control } from "../ui/field";
import { type Change, type Draft, newKey } from "./draft";
import styles from "./new-run.module.css";

interface Props {
  readonly draft: Draft;
  readonly error: string | undefined;
  readonly onChange: Change;
}

/** What proves a change: left to the repository, or commands that one can see and change. */
export function ChecksEditor({ draft, error, onChange }: Props) {
  const { checks } = draft;
  return (
    <fieldset className={styles.checks}>
      <legend>
        <span>Checks</span>
        <Guess draft={draft} onChange={onChange} />
      </legend>
      {checks === null && (
        <p className="dim">
          Guessed from the repository when the run begins, and run on the base as well as on every
          change.
        </p>
      )}
      {checks?.length === 0 && <p className="dim">None: nothing will be proven, only shown.</p>}
      <ol>
        {checks?.map((check, index) => (
          <li key={check.key} className={styles.check}>
            <input
              className={`${control} mono`}
              aria-label={`Command of check ${index + 1}`}
              spellCheck={false}
              autoCapitalize="off"
              placeholder="python3 -m pytest -q"
              value={check.command}
              onChange={(event) =>
                onChange({
                  checks: checks.map((each) =>
                    each === check ? { ...each, command: event.target.value } : each,
                  ),
                })
              }
            />
            <Button
              look="quiet"
              icon="close"
              bare
              onClick={() => onChange({ checks: checks.filter((each) => each !== check) })}
            >
              {`Remove check ${index + 1}`}
            </Button>
          </li>
        ))}
      </ol>
      {error && <p className={styles.warning}>{error}</p>}
    </fieldset>
  );
}

function Guess({ draft, onChange }: Pick<Props, "draft" | "onChange">) {
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<string>();
  const guess = async () => {
    setBusy(true);
    setProblem(undefined);
    try {
      const body = { repo_url: draft.repo.trim(), ref: draft.ref.trim() || null };
      const { checks } = await call("POST /repositories/inspect", { body });
      onChange({ checks: checks.map(({ command }) => ({ key: newKey(), command })) });
    } catch (error) {
      setProblem(asError(error).message);
    } finally {
      setBusy(false);
    }
  };
  return (
    <span className={styles.guess}>
      {problem && <span className={styles.warning}>{problem}</span>}
      {draft.checks !== null && (
        <Button look="quiet" size="s" onClick={() => onChange({ checks: null })}>
          Leave it to the repository
        </Button>
      )}
      <Button look="quiet" size="s" busy={busy} disabled={draft.repo.trim() === ""} onClick={guess}>
        Guess now
      </Button>
      <Button
        look="quiet"
        size="s"
        icon="plus"
        onClick={() =>
          onChange({ checks: [...(draft.checks ?? []), { key: newKey(), command: "" }] })
        }
      >
        Add
      </Button>
    </span>
  );
}
