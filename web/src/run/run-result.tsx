import { Link } from "../app/router";
import type { RunView } from "../stream/run-view";
import { Chip, VariationBadge } from "../ui/chip";
import { CONFIDENCE_CHIPS } from "../ui/labels";
import { Prose } from "../ui/prose";
import { visibleLine } from "../ui/visible-text";
import styles from "./run-result.module.css";

/** The recommendation in short, as soon as there is one: which variation, confidence, reasons. */
export function RunResult({ id, view }: { id: string; view: RunView }) {
  if (view.error !== null && view.ranking === null) {
    return (
      <section className={styles.result} data-tone="bad" aria-label="Result">
        <Chip tone="bad" glyph="✗">
          run failed
        </Chip>
        <p>{visibleLine(view.error)}</p>
      </section>
    );
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
