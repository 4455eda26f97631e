import { useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { asError, call } from "../api/client";
import type { RunDetails } from "../api/schema.gen";
import { FLAGS } from "../compare/diff/heads";
import { Button } from "../ui/button";
import { Chip } from "../ui/chip";
import { Dialog } from "../ui/dialog";
import { control, Field } from "../ui/field";
import { line } from "../ui/plain";
import { toast } from "../ui/toast";
import styles from "./decide.module.css";

interface Props {
  readonly details: RunDetails;
  readonly number: number;
  readonly onClose: () => void;
}

/** A person's word on a variation's flags: it may be recommended again, and the reason is kept. */
export function ClearDialog({ details, number, onClose }: Props) {
  const client = useQueryClient();
  const [reason, setReason] = useState("");
  const [error, setError] = useState<string>();
  const [busy, setBusy] = useState(false);
  const flags = details.variations[number - 1]?.verdict?.flags ?? [];
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    try {
      const path = { run_id: details.id, number };
      await call("POST /runs/{run_id}/variations/{number}/clear", { path, body: { reason } });
      toast(`The flags of variation ${number} are cleared; the run is ranked anew.`);
      await client.invalidateQueries();
      onClose();
    } catch (failure) {
      setError(asError(failure).message);
      setBusy(false);
    }
  };
  return (
    <Dialog title={`Clear the flags of variation ${number}`} onClose={onClose} wide>
      <form onSubmit={submit}>
        <ul className={styles.flags}>
          {flags.map((flag) => (
            <li key={`${flag.kind} ${flag.path} ${flag.hunk}`}>
              <Chip tone="warn" glyph="⚑">
                {FLAGS[flag.kind]}
              </Chip>
              <span>{line(flag.message)}</span>
            </li>
          ))}
        </ul>
        <Field
          label="Why may they pass?"
          error={error}
          hint="Kept with the variation and shown wherever it is."
        >
          {(wiring) => (
            <textarea
              {...wiring}
              className={control}
              rows={3}
              required
              maxLength={2000}
              value={reason}
              onChange={({ target }) => setReason(target.value)}
            />
          )}
        </Field>
        <Button type="submit" look="primary" busy={busy}>
          Clear all of them
        </Button>
      </form>
    </Dialog>
  );
}
