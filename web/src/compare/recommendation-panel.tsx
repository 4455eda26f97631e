import type { Evidence, Opinion, RunDetails } from "../api/schema.gen";
import { Button } from "../ui/button";
import { Chip, VariationBadge } from "../ui/chip";
import { formatShortDuration, pluralize } from "../ui/format";
import { CONFIDENCE_CHIPS } from "../ui/labels";
import { Prose } from "../ui/prose";
import { visibleLine } from "../ui/visible-text";
import { Checklist } from "./checklist";
import styles from "./recommendation-panel.module.css";
import { ruleChecklist } from "./rule-checklist";
import { seatNames } from "./seat-names";
import { alternatives, tellsTie, tiedForFirst } from "./tie";
import { TieChoices } from "./tie-choices";
import { canChoose } from "./variation-facts";

/**
 * The recommendation: which variation, the rule's conditions with their figures, and the reasons;
 * without one, what would settle the question. Variations that are equally proven stand side by
 * side.
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
  const { recommended, reasons, rule, settle } = ranking;
  const tied = tiedForFirst(details);
  const shown = tied.length > 0 ? reasons.filter((reason) => !tellsTie(reason)) : reasons;
  return (
    <section className={styles.panel} aria-label="Recommendation">
      <Headline details={details} tied={tied} />
      {tied.length > 0 && <TieChoices details={details} numbers={tied} onChoose={onChoose} />}
      {tied.length === 0 && recommended !== null && (
        <Checklist
          items={ruleChecklist(details, recommended)}
          label={`Evidence for variation ${recommended}`}
        />
      )}
      <ul className={styles.reasons}>
        {shown.map((reason) => (
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
        {canChoose(details) && tied.length === 0 && (
          <Button variant="primary" icon="check" onClick={() => onChoose(recommended)}>
            {recommended === null ? "Choose" : `Choose ${recommended}`}
          </Button>
        )}
        {rule && <Rule rule={rule} isOpen={recommended === null} evidence={evidence} />}
      </div>
    </section>
  );
}

function Rule({
  rule,
  isOpen,
  evidence,
}: {
  rule: string;
  isOpen: boolean;
  evidence: Evidence | null;
}) {
  return (
    <details className={styles.rule}>
      <summary>{isOpen ? "Why no recommendation" : "Why this recommendation"}</summary>
      <p>
        <Prose>{rule}</Prose>
      </p>
      {evidence && <EvidenceFacts evidence={evidence} />}
    </details>
  );
}

function Headline({ details, tied }: { details: RunDetails; tied: readonly number[] }) {
  const { recommended = null, confidence = "open" } = details.ranking ?? {};
  const [tone, glyph, words] = CONFIDENCE_CHIPS[confidence];
  return (
    <header className={styles.headline}>
      <h2>
        {recommended === null && "No recommendation"}
        {recommended !== null && tied.length > 0 && (
          <span>{`${alternatives(tied)}: equally proven`}</span>
        )}
        {recommended !== null && tied.length === 0 && (
          <>
            <span>Recommended:</span> <VariationBadge number={recommended} />
            <span className={styles.agent}>{seatNames(details.variations).get(recommended)}</span>
          </>
        )}
      </h2>
      <Chip tone={tone} glyph={glyph}>
        {words}
      </Chip>
    </header>
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
