import { useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { asError, call } from "../api/client";
import type { RunDetails } from "../api/schema.gen";
import { inOrder } from "../compare/columns";
import { seatName, sources } from "../compare/names";
import { Button } from "../ui/button";
import { Chip, LaneMark } from "../ui/chip";
import { Dialog } from "../ui/dialog";
import { control, Field } from "../ui/field";
import { plural } from "../ui/format";
import { Prose } from "../ui/prose";
import { toast } from "../ui/toast";
import styles from "./decide.module.css";
import { type Plan, Publishing, planOf, publish } from "./publishing";
import { reasonFor } from "./words";

interface Props {
  readonly details: RunDetails;
  /** The variation to begin with. */
  readonly first: number | null;
  readonly onClose: () => void;
}

/** The decision: which one, why, and what becomes of it. Everything it will do is said before. */
export function ChooseDialog({ details, first, onClose }: Props) {
  const client = useQueryClient();
  const choices = inOrder(details).filter((number) => details.variations[number - 1]?.verdict);
  const [number, setNumber] = useState(first ?? choices[0] ?? 1);
  const [told, setTold] = useState<string | null>(null);
  const [plan, setPlan] = useState<Plan>(() => planOf(details));
  const [error, setError] = useState<string>();
  const [busy, setBusy] = useState(false);
  const reason = told ?? reasonFor(details, number);

  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    const path = { run_id: details.id };
    try {
      await call("POST /runs/{run_id}/select", {
        path,
        body: { winning_variation_id: number, reason },
      });
      toast(`Variation ${number} is chosen.`);
      onClose();
      await publish(details.id, plan);
    } catch (failure) {
      setError(asError(failure).message);
      setBusy(false);
    } finally {
      await client.invalidateQueries();
    }
  };

  return (
    <Dialog title="Choose the winner" onClose={onClose} wide>
      <form onSubmit={submit}>
        <Choices details={details} choices={choices} chosen={number} onChoose={setNumber} />
        <Field label="Why" error={error} hint="Kept with the run, and told in the pull request.">
          {(wiring) => (
            <textarea
              {...wiring}
              className={control}
              rows={3}
              maxLength={2000}
              value={reason}
              onChange={({ target }) => setTold(target.value)}
            />
          )}
        </Field>
        <Publishing details={details} plan={plan} onPlan={setPlan} />
        <div className={styles.end}>
          <span className="dim">You can undo this until it is published.</span>
          <Button type="submit" look="primary" icon="check" busy={busy}>
            {plan.what === "nothing" ? "Choose" : "Choose and publish"}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}

/** The dialog gives the focus to this when it opens: the browser looks for the attribute, which React does not write. */
function focusFirst(element: HTMLElement | null): void {
  element?.setAttribute("autofocus", "");
}

interface ChoicesProps {
  readonly details: RunDetails;
  readonly choices: readonly number[];
  readonly chosen: number;
  readonly onChoose: (number: number) => void;
}

function Choices({ details, choices, chosen, onChoose }: ChoicesProps) {
  return (
    <fieldset className={styles.choices}>
      <legend className="only-read-aloud">Variation</legend>
      {choices.map((number) => {
        const variation = details.variations[number - 1];
        if (!variation) return null;
        const standing = details.ranking?.standings?.find((each) => each.variation_id === number);
        const from = sources(variation);
        return (
          <label key={number} data-chosen={number === chosen || undefined}>
            <input
              ref={number === chosen ? focusFirst : null}
              type="radio"
              name="variation"
              checked={number === chosen}
              onChange={() => onChoose(number)}
            />
            <LaneMark number={number} />
            <span className={styles.who}>
              {from ? `composed of ${from}` : seatName(variation.seat)}
            </span>
            <span className="dim num">{plural(variation.verdict?.patch.files ?? 0, "file")}</span>
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
