import { useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { callApi, toError } from "../api/client";
import type { RunDetails } from "../api/schema.gen";
import { FLAG_LABELS } from "../compare/diff/diff-headers";
import { Button } from "../ui/button";
import { Chip } from "../ui/chip";
import { Dialog } from "../ui/dialog";
import { controlClass, Field } from "../ui/field";
import { ErrorText } from "../ui/page-states";
import { useStoredText } from "../ui/stored-draft";
import { showToast } from "../ui/toast";
import { visibleLine } from "../ui/visible-text";
import styles from "./decide.module.css";

interface Props {
  readonly details: RunDetails;
  readonly number: number;
  readonly onClose: () => void;
}

/**
 * Dialog that clears a variation's flags with a reason, so that the variation can be recommended
 * again.
 */
export function ClearDialog({ details, number, onClose }: Props) {
  const client = useQueryClient();
  const [stored, setReason, forget] = useStoredText(`clear:${details.id}:${number}`);
  const reason = stored ?? "";
  const [error, setError] = useState<Error>();
  const [busy, setBusy] = useState(false);
  const flags = details.variations[number - 1]?.verdict?.flags ?? [];
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    try {
      const path = { run_id: details.id, number };
      await callApi("POST /runs/{run_id}/variations/{number}/clear", { path, body: { reason } });
      forget();
      showToast(`Cleared the flags of variation ${number} and ranked the run again.`);
      await client.invalidateQueries();
      onClose();
    } catch (failure) {
      setError(toError(failure));
      setBusy(false);
    }
  };
  return (
    <Dialog title={`Clear the flags of variation ${number}`} onClose={onClose} wide>
      <form onSubmit={submit}>
        <ul className={styles.flags}>
          {flags.map((flag) => (
            <li key={`${flag.kind} ${flag.path} ${flag.hunk}`}>
              <Chip tone="warning" glyph="⚑">
                {FLAG_LABELS[flag.kind]}
              </Chip>
              <span>{visibleLine(flag.message)}</span>
            </li>
          ))}
        </ul>
        <Field
          label="Reason"
          error={error && <ErrorText error={error} />}
          hint="Saved with the variation and shown with it."
        >
          {(control) => (
            <textarea
              {...control}
              className={controlClass}
              rows={3}
              required
              maxLength={2000}
              value={reason}
              onChange={({ target }) => setReason(target.value)}
            />
          )}
        </Field>
        <Button type="submit" variant="primary" busy={busy}>
          Clear flags
        </Button>
      </form>
    </Dialog>
  );
}
