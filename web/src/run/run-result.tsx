import type { Failure } from "../api/schema.gen";
import { Link } from "../app/router";
import type { RunView } from "../stream/run-view";
import { Chip, VariationBadge } from "../ui/chip";
import { CONFIDENCE_CHIPS } from "../ui/labels";
import { Prose } from "../ui/prose";
import { visibleLine } from "../ui/visible-text";
import { CommandOutput } from "./command-output";
import styles from "./run-result.module.css";

interface Props {
  readonly id: string;
  readonly view: RunView;
  /** Why the run failed, as it is stored. */
  readonly failure: Failure | null;
}

/** Return the output of the command that the run failed at; empty if it was none. */
function failureOutput({ preparation }: RunView, failure: Failure | null): string {
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
export function RunResult({ id, view, failure }: Props) {
  if (view.error !== null && view.ranking === null) {
    return <FailedResult message={view.error} output={failureOutput(view, failure)} />;
  }
  if (view.ranking === null || view.status === null) return null;
  const { recommended, confidence, reasons } = view.ranking;
  const [tone, glyph, words] = CONFIDENCE_CHIPS[confidence];
  return (
    <section className={styles.result} aria-label="Result">
      <p className={styles.summary}>
        {recommended === null ? (
          <strong>No recommendation</strong>
        ) : (
          <>
            <strong>Recommended</strong> <VariationBadge number={recommended} />
          </>
        )}
        <Chip tone={tone} glyph={glyph}>
          {words}
        </Chip>
        {view.selected && (
          <Chip tone="good" glyph="★">
            {`chosen: ${view.selected.winning_variation_id}`}
          </Chip>
        )}
      </p>
      <ul className={styles.reasons}>
        {reasons.slice(0, 3).map((reason) => (
          <li key={reason}>
            <Prose>{reason}</Prose>
          </li>
        ))}
      </ul>
      <Link href={`/runs/${id}/compare`}>View the evidence</Link>
    </section>
  );
}
