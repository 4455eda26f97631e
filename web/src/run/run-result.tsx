import { Suspense, useState } from "react";
import type { Failure, RunDetails } from "../api/schema.gen";
import { lazyComponent } from "../app/lazy-component";
import { Link } from "../app/router";
import { alternatives, MAX_LISTED, tellsTie, tiedForFirst } from "../compare/tie";
import { canChoose } from "../compare/variation-facts";
import type { RunView } from "../stream/run-view";
import { Button } from "../ui/button";
import { Chip, VariationBadge } from "../ui/chip";
import { CONFIDENCE_CHIPS } from "../ui/labels";
import { Prose } from "../ui/prose";
import { visibleLine } from "../ui/visible-text";
import { CommandOutput } from "./command-output";
import styles from "./run-result.module.css";

const ChooseDialog = lazyComponent(() =>
  import("../decide/choose-dialog").then((module) => module.ChooseDialog),
);

interface Props {
  readonly id: string;
  readonly view: RunView;
  /** Absent in a replay, in which nothing can be chosen. */
  readonly details: RunDetails | undefined;
}

/** Return the output of the command that the run failed at; empty if it was none. */
function failureOutput({ preparation }: RunView, failure: Failure | null | undefined): string {
  const last = preparation.setup.at(-1)?.result;
  const isSetup = last !== undefined && last.exit_code !== 0;
  return failure?.output || (isSetup ? (last.output ?? "") : "");
}

function FailedResult({ message, output }: { message: string; output: string }) {
  return (
    <section className={`${styles.result} ${styles.failed}`} aria-label="Result">
      <p>
        <Chip tone="bad" glyph="✗">
          run failed
        </Chip>
      </p>
      <p className={styles.reasons}>{visibleLine(message)}</p>
      {output && (
        <div className={styles.failureOutput}>
          <CommandOutput text={output} keep="end" />
        </div>
      )}
    </section>
  );
}

/** The recommendation in short, as soon as there is one: which variation, confidence, reasons. */
export function RunResult({ id, view, details }: Props) {
  if (view.error !== null && view.ranking === null) {
    return <FailedResult message={view.error} output={failureOutput(view, details?.failure)} />;
  }
  if (view.ranking === null || view.status === null) return null;
  const { recommended, confidence, reasons } = view.ranking;
  const winner = view.selected?.winning_variation_id ?? details?.winner;
  const [tone, glyph, words] = CONFIDENCE_CHIPS[confidence];
  return (
    <section className={styles.result} aria-label="Result">
      <p className={styles.summary}>
        <Answer recommended={recommended} tied={details ? tiedForFirst(details) : []} />
        <Chip tone={tone} glyph={glyph}>
          {words}
        </Chip>
        {winner != null && (
          <Chip tone="good" glyph="★">
            {`chosen: ${winner}`}
          </Chip>
        )}
      </p>
      <ul className={styles.reasons}>
        {reasons
          .filter((reason) => !tellsTie(reason))
          .slice(0, 3)
          .map((reason) => (
            <li key={reason}>
              <Prose>{reason}</Prose>
            </li>
          ))}
      </ul>
      <p className={styles.actions}>
        {details && winner == null && <ChooseButtons details={details} />}
        <Link href={`/runs/${id}/compare`}>View the evidence</Link>
      </p>
    </section>
  );
}

function Answer({ recommended, tied }: { recommended: number | null; tied: readonly number[] }) {
  if (recommended === null) return <strong>No recommendation</strong>;
  if (tied.length > 0) return <strong>{`${alternatives(tied)}: equally proven`}</strong>;
  return (
    <>
      <strong>Recommended</strong> <VariationBadge number={recommended} />
    </>
  );
}

/** One button for the recommended variation, or one for each that is equally proven. */
function ChooseButtons({ details }: { details: RunDetails }) {
  const [chosen, setChosen] = useState<number | null>(null);
  if (!canChoose(details) || details.ranking?.recommended == null) return null;
  const tied = tiedForFirst(details);
  const numbers = tied.length > 0 ? tied.slice(0, MAX_LISTED) : [details.ranking.recommended];
  return (
    <>
      {numbers.map((number) => (
        <Button key={number} variant="primary" icon="check" onClick={() => setChosen(number)}>
          {`Choose ${number}`}
        </Button>
      ))}
      {chosen !== null && (
        <Suspense>
          <ChooseDialog details={details} preselected={chosen} onClose={() => setChosen(null)} />
        </Suspense>
      )}
    </>
  );
}
