import type { RunStatus, Summary, VariationSummary } from "../api/schema.gen";
import { Link } from "../app/router";
import { Chip, type Tone, VariationBadge } from "../ui/chip";
import { formatAge, formatBudget, formatCost, formatDuration, repositoryName } from "../ui/format";
import { visibleLine } from "../ui/visible-text";
import styles from "./run-list.module.css";

const STATUS_CHIPS: Readonly<Record<RunStatus, readonly [Tone, string]>> = {
  queued: ["neutral", "○"],
  running: ["active", "●"],
  finished: ["warning", "◆"],
  decided: ["good", "★"],
  failed: ["bad", "✗"],
  cancelled: ["neutral", "■"],
  interrupted: ["warning", "◌"],
};

interface Props {
  readonly run: Summary;
  readonly now: number;
  readonly isScripted: boolean;
}

/** One run. The whole row is clickable; the link itself is the prompt. */
export function RunRow({ run, now, isScripted }: Props) {
  const [tone, glyph] = STATUS_CHIPS[run.status];
  const startedAt = Date.parse(run.created_at);
  const endedAt = run.finished_at === null ? now : Date.parse(run.finished_at);
  return (
    <tr className={styles.row}>
      <td>
        <Chip tone={tone} glyph={glyph}>
          {run.status === "finished" ? "to decide" : run.status}
        </Chip>
      </td>
      <td className={styles.prompt}>
        <Link dir="auto" href={`/runs/${run.id}`} title={visibleLine(run.prompt)}>
          {visibleLine(run.title || run.prompt)}
        </Link>
        <span className={styles.context}>
          {visibleLine(repositoryName(run.repo_url))}
          {run.ref ? ` @ ${visibleLine(run.ref)}` : ""}
          {isScripted && <span className={styles.scripted}>scripted model</span>}
        </span>
      </td>
      <td>
        <VariationStates variations={run.variations} />
      </td>
      <td>
        <Winner run={run} />
      </td>
      <td className={styles.number}>
        {formatCost(run.usage.cost_usd)}
        {run.budget_usd !== null && <span className="dim"> / {formatBudget(run.budget_usd)}</span>}
      </td>
      <td className={styles.number}>{formatDuration(endedAt - startedAt)}</td>
      <td className={styles.number}>{formatAge(startedAt, now)}</td>
    </tr>
  );
}

const VARIATION_GLYPHS = {
  queued: "○",
  running: "●",
  finished: "–",
  failed: "✗",
  cancelled: "■",
} as const;

function resultOf(variation: VariationSummary, total: number): string {
  if (total > 0) return `${variation.passed} of ${total} checks pass`;
  return variation.status === "finished" ? "no check ran" : variation.status;
}

/** Without a check, an end is neither good nor bad: the change may be empty. */
function kindOf(variation: VariationSummary, total: number): string {
  if (variation.failed > 0) return "bad";
  return variation.status === "finished" && total === 0 ? "unchecked" : variation.status;
}

/** One mark per variation: its status, or its check results when they are known. */
function VariationStates({ variations }: { variations: readonly VariationSummary[] }) {
  return (
    <ol className={styles.variations}>
      {variations.map((variation) => {
        const total = variation.passed + variation.failed;
        const result = resultOf(variation, total);
        return (
          <li
            key={variation.number}
            data-kind={kindOf(variation, total)}
            title={`${variation.number}: ${visibleLine(variation.agent)}, ${result}`}
          >
            <span aria-hidden="true">
              {total > 0 ? `${variation.passed}/${total}` : VARIATION_GLYPHS[variation.status]}
            </span>
            <span className="visually-hidden">{`Variation ${variation.number}: ${result}`}</span>
          </li>
        );
      })}
    </ol>
  );
}

function Winner({ run }: { run: Summary }) {
  if (run.winner !== null) return <VariationBadge number={run.winner} />;
  if (run.recommended !== null) {
    return (
      <span className={styles.recommended}>
        <VariationBadge number={run.recommended} /> recommended
      </span>
    );
  }
  if (run.status === "finished") return <span className="dim">no recommendation</span>;
  return <span className="dim">–</span>;
}
