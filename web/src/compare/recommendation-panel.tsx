import type { Evidence, Opinion, RunDetails } from "../api/schema.gen";
import { Button } from "../ui/button";
import { Chip, VariationBadge } from "../ui/chip";
import { formatShortDuration, pluralize } from "../ui/format";
import { agentLabel, CONFIDENCE_CHIPS } from "../ui/labels";
import { Prose } from "../ui/prose";
import { visibleLine } from "../ui/visible-text";
import styles from "./recommendation-panel.module.css";
import { canChoose } from "./variation-facts";

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
  const agent = recommended === null ? null : details.variations[recommended - 1]?.spec;
  const [tone, glyph, words] = CONFIDENCE_CHIPS[confidence];
  return (
    <section className={styles.panel} aria-label="Recommendation">
      <header className={styles.headline}>
        <h2>
          {recommended === null ? (
            "No recommendation"
          ) : (
            <>
              <span>Recommended:</span> <VariationBadge number={recommended} />
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
            <summary>
              {recommended === null ? "Why no recommendation" : "Why this recommendation"}
            </summary>
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
  const why =
    details.failure?.message ?? "No variation finished with a change that could be compared.";
  return (
    <section className={styles.panel} aria-label="Recommendation">
      <header className={styles.headline}>
        <h2>{isOver ? "No recommendation" : "No recommendation yet"}</h2>
      </header>
      <p className={styles.reasons}>
        {isOver
          ? visibleLine(why)
          : "It follows when every variation has ended and been checked. Results so far are below."}
      </p>
    </section>
  );
}

function JudgeOpinion({ opinion }: { opinion: Opinion }) {
  return (
    <p className={styles.opinion}>
      <Chip glyph="§">judge model, advice only</Chip> {visibleLine(opinionText(opinion))}
    </p>
  );
}

function opinionText({ model, preferred, among, reasons }: Opinion): string {
  if (preferred === null) return `${model} had no consistent preference among ${among.join(", ")}.`;
  const preference = `${model} prefers ${preferred} among ${among.join(", ")}, in both orders.`;
  return `${preference} ${reasons?.join(" ") ?? ""}`;
}

function EvidenceFacts({ evidence }: { evidence: Evidence }) {
  const { cross_tests = [], notes = [] } = evidence;
  const weighted = cross_tests.filter((test) => (test.weight ?? 0) > 0).length;
  const facts = [
    `${pluralize(cross_tests.length, "cross-test")}, ${weighted} with weight.`,
    agreementText(evidence.agreement),
    costText(evidence.cost ?? {}),
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

function agreementText(agreement: number | null | undefined): string {
  if (agreement == null) return "No test distinguishes the variations.";
  return `The largest behaviour group has ${Math.round(agreement * 100)} % of the variations.`;
}

function costText(cost: NonNullable<Evidence["cost"]>): string {
  const { sandboxes = 0, seconds = 0, cached = 0, left_out = 0 } = cost;
  const time = formatShortDuration(seconds * 1000);
  const used = `${pluralize(sandboxes, "sandbox", "sandboxes")} and ${time}`;
  const skipped =
    left_out > 0 ? `; ${pluralize(left_out, "test")} skipped because of the limit` : "";
  return `Used ${used}; ${pluralize(cached, "cached result")}${skipped}.`;
}
