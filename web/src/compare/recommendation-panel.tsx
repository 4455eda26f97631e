import type { RunDetails } from "../api/schema.gen";
import { Button } from "../ui/button";
import { Chip, VariationBadge } from "../ui/chip";
import { formatShortDuration, pluralize } from "../ui/format";
import { Prose } from "../ui/prose";
import { visibleLine } from "../ui/visible-text";
import styles from "./recommendation-panel.module.css";
import { agentLabel, CONFIDENCE_CHIPS, canChoose } from "./variation-facts";

/**
 * The recommendation: which variation, confidence and reasons; without one, what would settle the
 * question.
 */
export function RecommendationPanel({
  details,
  onChoose,
}: {
  details: RunDetails;
  onChoose: (number: number | null) => void;
}) {
  const { ranking, evidence } = details;
  if (ranking === null) return <NoRecommendation details={details} />;
  const { recommended, confidence, reasons, rule, settle } = ranking;
  const agent = recommended === null ? null : details.variations[recommended - 1]?.seat;
  const [tone, glyph, words] = CONFIDENCE_CHIPS[confidence];
  return (
    <section className={styles.panel} aria-label="Verdict">
      <header className={styles.headline}>
        <h2>
          {recommended === null ? (
            "I cannot tell"
          ) : (
            <>
              <span>Take</span> <VariationBadge number={recommended} />
              {agent && <span className={styles.agent}>{agentLabel(agent)}</span>}
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
        <p className={styles.nextStep}>
          <strong>What would settle it:</strong> <Prose>{settle}</Prose>
        </p>
      )}
      {evidence?.opinion && <JudgeOpinion opinion={evidence.opinion} />}
      <div className={styles.footer}>
        {canChoose(details) && (
          <Button variant="primary" icon="check" onClick={() => onChoose(recommended)}>
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

function NoRecommendation({ details }: { details: RunDetails }) {
  const isOver = details.status !== "running" && details.status !== "queued";
  const why = details.failure?.message ?? "No variation came to an end that could be compared.";
  return (
    <section className={styles.panel} aria-label="Verdict">
      <header className={styles.headline}>
        <h2>{isOver ? "No verdict" : "Not decided yet"}</h2>
      </header>
      <p className={styles.reasons}>
        {isOver
          ? visibleLine(why)
          : "The verdict comes when every variation has ended and was checked. What is known is below."}
      </p>
    </section>
  );
}

type Evidence = NonNullable<RunDetails["evidence"]>;

function JudgeOpinion({ opinion }: { opinion: NonNullable<Evidence["opinion"]> }) {
  const among = opinion.among.join(", ");
  return (
    <p className={styles.opinion}>
      <Chip glyph="§">judge model, advice only</Chip>{" "}
      {opinion.preferred === null
        ? `${visibleLine(opinion.model)} had no steady preference among ${among}.`
        : `${visibleLine(opinion.model)} prefers ${opinion.preferred} among ${among}, in both orders. ${visibleLine(opinion.reasons?.join(" ") ?? "")}`}
    </p>
  );
}

function EvidenceFacts({ evidence }: { evidence: Evidence }) {
  const { cost = {}, agreement, cross_tests = [], notes = [] } = evidence;
  const facts = [
    `${pluralize(cross_tests.length, "cross-test")}, ${cross_tests.filter((test) => (test.weight ?? 0) > 0).length} of them count.`,
    agreement == null
      ? "No test tells the variations apart."
      : `The largest group that behaves alike has ${Math.round(agreement * 100)} % of them.`,
    `It took ${pluralize(cost.sandboxes ?? 0, "sandbox", "sandboxes")} and ${formatShortDuration((cost.seconds ?? 0) * 1000)}; ${cost.cached ?? 0} results were known already${cost.left_out ? `, ${cost.left_out} tests were left out by the bound` : ""}.`,
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
