import { useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { callApi, toError } from "../api/client";
import type { RunDetails } from "../api/schema.gen";
import { rankedNumbers } from "../compare/columns";
import { evidenceReason } from "../compare/rule-checklist";
import { composedFrom } from "../compare/variation-facts";
import { Button } from "../ui/button";
import { Chip, VariationBadge } from "../ui/chip";
import { Dialog } from "../ui/dialog";
import { controlClass, Field } from "../ui/field";
import { pluralize } from "../ui/format";
import { agentLabel } from "../ui/labels";
import { ErrorText } from "../ui/page-states";
import { Prose } from "../ui/prose";
import { useStoredText } from "../ui/stored-draft";
import { showToast } from "../ui/toast";
import styles from "./decide.module.css";
import {
  defaultPublishOptions,
  PublishFields,
  type PublishOptions,
  publishWinner,
} from "./publish-fields";

interface Props {
  readonly details: RunDetails;
  /** Variation that is preselected. */
  readonly preselected: number | null;
  readonly onClose: () => void;
}

/**
 * Dialog that chooses the winner: which variation, why, and whether to publish it. It tells
 * everything that it will do before it does it.
 */
export function ChooseDialog({ details, preselected, onClose }: Props) {
  const client = useQueryClient();
  const choices = rankedNumbers(details).filter(
    (number) => details.variations[number - 1]?.verdict,
  );
  const [number, setNumber] = useState(preselected ?? choices[0] ?? 1);
  const [enteredReason, setEnteredReason, forgetReason] = useStoredText(`choice:${details.id}`);
  const [publishOptions, setPublishOptions] = useState<PublishOptions>(() =>
    defaultPublishOptions(details),
  );
  const [error, setError] = useState<Error>();
  const [busy, setBusy] = useState(false);
  const reason = enteredReason ?? evidenceReason(details, number);

  const submit = async (event: FormEvent) => {
    event.preventDefault();
    await choose(publishOptions);
  };
  const choose = async (options: PublishOptions) => {
    setBusy(true);
    const path = { run_id: details.id };
    try {
      await callApi("POST /runs/{run_id}/select", {
        path,
        body: { winning_variation_id: number, reason },
      });
      forgetReason();
      showToast(`Chose variation ${number}.`);
      onClose();
      await publishWinner(details.id, options);
    } catch (failure) {
      setError(toError(failure));
      setBusy(false);
    } finally {
      await client.invalidateQueries();
    }
  };

  return (
    <Dialog title="Choose the winner" onClose={onClose} wide>
      <form onSubmit={submit}>
        <VariationChoices
          details={details}
          choices={choices}
          chosen={number}
          onChoose={setNumber}
        />
        <Field
          label="Reason"
          error={error && <ErrorText error={error} />}
          hint="Saved with the run and included in the pull request."
        >
          {(control) => (
            <textarea
              {...control}
              className={controlClass}
              rows={3}
              maxLength={2000}
              value={reason}
              onChange={({ target }) => setEnteredReason(target.value)}
            />
          )}
        </Field>
        <PublishFields details={details} options={publishOptions} onChange={setPublishOptions} />
        <div className={styles.footer}>
          <span className="dim">You can undo this until it is published.</span>
          <Button type="submit" variant="primary" icon="check" busy={busy}>
            {publishOptions.target === "nothing" ? "Choose" : "Choose and publish"}
          </Button>
          {publishOptions.target === "nothing" && (
            <Button
              icon="branch"
              busy={busy}
              onClick={() => choose({ ...publishOptions, target: "branch" })}
            >
              Choose and push a branch
            </Button>
          )}
        </div>
      </form>
    </Dialog>
  );
}

/**
 * Mark the control that gets the focus when the dialog opens. The browser looks for the attribute
 * `autofocus`, which React does not write.
 */
function focusFirst(element: HTMLElement | null): void {
  element?.setAttribute("autofocus", "");
}

interface ChoicesProps {
  readonly details: RunDetails;
  readonly choices: readonly number[];
  readonly chosen: number;
  readonly onChoose: (number: number) => void;
}

function VariationChoices({ details, choices, chosen, onChoose }: ChoicesProps) {
  return (
    <fieldset className={styles.choices}>
      <legend className="visually-hidden">Variation</legend>
      {choices.map((number) => {
        const variation = details.variations[number - 1];
        if (!variation) return null;
        const standing = details.ranking?.standings?.find((each) => each.variation_id === number);
        const sources = composedFrom(variation);
        return (
          <label key={number} data-chosen={number === chosen || undefined}>
            <input
              ref={number === chosen ? focusFirst : null}
              type="radio"
              name="variation"
              checked={number === chosen}
              onChange={() => onChoose(number)}
            />
            <VariationBadge number={number} />
            <span className={styles.label}>
              {sources ? `composed from ${sources}` : agentLabel(variation.spec)}
            </span>
            <span className="dim num">
              {pluralize(variation.verdict?.patch.files ?? 0, "file")}
            </span>
            {details.ranking?.recommended === number && <Chip tone="good">recommended</Chip>}
            {standing?.gate && (
              <span className={styles.gate}>
                <Prose>{standing.gate}</Prose>
              </span>
            )}
          </label>
        );
      })}
    </fieldset>
  );
}
