import type { RunDetails } from "../api/schema.gen";
import { Button } from "../ui/button";
import { Chip, LaneMark } from "../ui/chip";
import { plural, span } from "../ui/format";
import { line } from "../ui/plain";
import { Prose } from "../ui/prose";
import { CONFIDENCE, isOpen, seatName } from "./names";
import styles from "./verdict.module.css";

/** The answer first: which one, how sure, why; and if nobody can tell, what would settle it. */
export function VerdictHead({
  details,
  onChoose,
}: {
  details: RunDetails;
  onChoose: (number: number | null) => void;
}) {
  const { ranking, evidence } = details;
  if (ranking === null) return <NoVerdict details={details} />;
  const { recommended, confidence, reasons, rule, settle } = ranking;
  const seat = recommended === null ? null : details.variations[recommended - 1]?.seat;
  const [tone, glyph, words] = CONFIDENCE[confidence];
  return (
    <section className={styles.verdict} aria-label="Verdict">
      <header className={styles.answer}>
        <h2>
          {recommended === null ? (
            "I cannot tell"
          ) : (
            <>
              <span className={styles.take}>Take</span> <LaneMark number={recommended} />
              {seat && <span className={styles.seat}>{seatName(seat)}</span>}
            </>
          )}
        </h2>
        <Chip tone={tone} glyph={glyph}>
          {words}
        </Chip>
      </header>
      <ul className={styles.reasons}>
        {reasons.map((reason) => (
          <li key={reason}>
            <Prose>{reason}</Prose>
          </li>
        ))}
      </ul>
      {settle && (
        <p className={styles.settle}>
          <strong>What would settle it:</strong> <Prose>{settle}</Prose>
        </p>
      )}
      {evidence?.opinion && <Opinion opinion={evidence.opinion} />}
      <div className={styles.foot}>
        {isOpen(details) && (
          <Button look="primary" icon="check" onClick={() => onChoose(recommended)}>
            Choose
          </Button>
        )}
        {rule && (
          <details className={styles.rule}>
            <summary>How this follows</summary>
            <p>
              <Prose>{rule}</Prose>
            </p>
            {evidence && <EvidenceFacts evidence={evidence} />}
          </details>
        )}
      </div>
    </section>
  );
}

function NoVerdict({ details }: { details: RunDetails }) {
  const isOver = details.status !== "running" && details.status !== "queued";
  const why = details.failure?.message ?? "No variation came to an end that could be compared.";
  return (
    <section className={styles.verdict} aria-label="Verdict">
      <header className={styles.answer}>
        <h2>{isOver ? "No verdict" : "Not decided yet"}</h2>
      </header>
      <p className={styles.reasons}>
        {isOver
          ? line(why)
          : "The verdict comes when every variation has ended and was checked. What is known is below."}
      </p>
    </section>
  );
}

type Evidence = NonNullable<RunDetails["evidence"]>;

function Opinion({ opinion }: { opinion: NonNullable<Evidence["opinion"]> }) {
  const among = opinion.among.join(", ");
  return (
    <p className={styles.opinion}>
      <Chip glyph="§">judge model, advice only</Chip>{" "}
      {opinion.preferred === null
        ? `${line(opinion.model)} had no steady preference among ${among}.`
        : `${line(opinion.model)} prefers ${opinion.preferred} among ${among}, in both orders. ${line(opinion.reasons?.join(" ") ?? "")}`}
    </p>
  );
}

function EvidenceFacts({ evidence }: { evidence: Evidence }) {
  const { cost = {}, agreement, cross_tests = [], notes = [] } = evidence;
  const facts = [
    `${plural(cross_tests.length, "cross-test")}, ${cross_tests.filter((test) => (test.weight ?? 0) > 0).length} of them count.`,
    agreement == null
      ? "No test tells the variations apart."
      : `The largest group that behaves alike has ${Math.round(agreement * 100)} % of them.`,
    `It took ${plural(cost.sandboxes ?? 0, "sandbox", "sandboxes")} and ${span((cost.seconds ?? 0) * 1000)}; ${cost.cached ?? 0} results were known already${cost.left_out ? `, ${cost.left_out} tests were left out by the bound` : ""}.`,
    ...notes,
  ];
  return (
    <ul>
      {facts.map((fact) => (
        <li key={fact}>
          <Prose>{fact}</Prose>
        </li>
      ))}
    </ul>
  );
}
