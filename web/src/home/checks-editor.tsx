import { useState } from "react";
import { callApi, toError } from "../api/client";
import { Button } from "../ui/button";
import { controlClass } from "../ui/field";
import { visibleText } from "../ui/visible-text";
import styles from "./new-run-form.module.css";
import { type DraftChange, newKey, type RunDraft } from "./run-draft";

interface Props {
  readonly draft: RunDraft;
  readonly error: string | undefined;
  readonly onChange: DraftChange;
}

/** Checks of the new run: detected from the repository, or a list of commands to edit. */
export function ChecksEditor({ draft, error, onChange }: Props) {
  const { checks } = draft;
  return (
    <fieldset className={styles.checks}>
      <legend>
        <span>Checks</span>
        <CheckButtons draft={draft} onChange={onChange} />
      </legend>
      {checks === null && (
        <p className="dim">
          Detected from the repository when the run starts. They run on the base and on every
          change.
        </p>
      )}
      {checks?.length === 0 && (
        <p className="dim">No checks: changes are shown, but nothing is proven.</p>
      )}
      <ol>
        {checks?.map((check, index) => (
          <li key={check.key} className={styles.check}>
            <input
              className={`${controlClass} mono`}
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
              variant="quiet"
              icon="close"
              iconOnly
              onClick={() => onChange({ checks: checks.filter((each) => each !== check) })}
            >
              {`Remove check ${index + 1}`}
            </Button>
            {visibleText(check.command) !== check.command && (
              <p className={styles.warning}>
                The command has characters that are not seen: <code>{check.command}</code>
              </p>
            )}
          </li>
        ))}
      </ol>
      {checks?.length !== 0 && (
        <label className="dim">
          <input
            type="checkbox"
            checked={draft.keepGoing}
            onChange={(event) => onChange({ keepGoing: event.target.checked })}
          />{" "}
          Keep going without a check that cannot run on the base
        </label>
      )}
      {error && <p className={styles.warning}>{error}</p>}
    </fieldset>
  );
}

function CheckButtons({ draft, onChange }: Pick<Props, "draft" | "onChange">) {
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<string>();
  const guess = async () => {
    setBusy(true);
    setProblem(undefined);
    try {
      const body = {
        repo_url: draft.repo.trim(),
        ref: draft.ref.trim() || null,
        path: draft.path.trim(),
      };
      const { checks } = await callApi("POST /repositories/inspect", { body });
      onChange({ checks: checks.map(({ command }) => ({ key: newKey(), command })) });
    } catch (error) {
      setProblem(toError(error).message);
    } finally {
      setBusy(false);
    }
  };
  return (
    <span className={styles.checkButtons}>
      {problem && <span className={styles.warning}>{problem}</span>}
      {draft.checks !== null && (
        <Button variant="quiet" size="s" onClick={() => onChange({ checks: null })}>
          Auto-detect
        </Button>
      )}
      <Button
        variant="quiet"
        size="s"
        busy={busy}
        disabled={draft.repo.trim() === ""}
        onClick={guess}
      >
        Detect checks
      </Button>
      <Button
        variant="quiet"
        size="s"
        icon="plus"
        onClick={() =>
          onChange({ checks: [...(draft.checks ?? []), { key: newKey(), command: "" }] })
        }
      >
        Add check
      </Button>
    </span>
  );
}
