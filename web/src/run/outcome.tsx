import type { Confidence } from "../api/schema.gen";
import { Link } from "../app/router";
import type { RunView } from "../stream/types";
import { Chip, LaneMark, type Tone } from "../ui/chip";
import { line } from "../ui/plain";
import { Prose } from "../ui/prose";
import styles from "./outcome.module.css";

const CONFIDENCE: Readonly<Record<Confidence, readonly [Tone, string, string]>> = {
  high: ["good", "✓", "high confidence"],
  medium: ["warn", "≈", "medium confidence"],
  open: ["plain", "?", "cannot tell"],
};

/** The verdict in a line or two, as soon as there is one: who, how sure, why. */
export function Outcome({ id, view }: { id: string; view: RunView }) {
  if (view.trouble !== null && view.ranking === null) {
    return (
      <section className={styles.outcome} data-tone="bad" aria-label="Outcome">
        <Chip tone="bad" glyph="✗">
          run failed
        </Chip>
        <p>{line(view.trouble)}</p>
      </section>
    );
  }
  if (view.ranking === null || view.status === null) return null;
  const { recommended, confidence, reasons } = view.ranking;
  const [tone, glyph, words] = CONFIDENCE[confidence];
  return (
    <section className={styles.outcome} aria-label="Outcome">
      <p className={styles.who}>
        {recommended === null ? (
          <strong>No recommendation</strong>
        ) : (
          <>
            <strong>Recommended</strong> <LaneMark number={recommended} />
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
      <Link href={`/runs/${id}/compare`}>See the evidence</Link>
    </section>
  );
}
