import type { RunStatus, Seat, Summary } from "../api/schema.gen";
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
};

interface Props {
  readonly run: Summary;
  readonly now: number;
  readonly isScripted: boolean;
}

/** One run. The whole row is clickable; the link itself is the prompt. */
export function RunRow({ run, now, isScripted }: Props) {
  const [tone, glyph] = STATUS_CHIPS[run.status];
  const begun = Date.parse(run.created_at);
  const ended = run.finished_at === null ? now : Date.parse(run.finished_at);
  return (
    <tr className={styles.row}>
      <td>
        <Chip tone={tone} glyph={glyph}>
          {run.status === "finished" ? "to decide" : run.status}
        </Chip>
      </td>
      <td className={styles.prompt}>
        <Link href={`/runs/${run.id}`} title={visibleLine(run.prompt)}>
          {visibleLine(run.prompt)}
        </Link>
        <span className={styles.context}>
          {visibleLine(repositoryName(run.repo_url))}
          {run.ref ? ` @ ${visibleLine(run.ref)}` : ""}
          {isScripted && <span className={styles.scripted}>scripted model</span>}
        </span>
      </td>
      <td>
        <VariationStates lineup={run.seats} />
      </td>
      <td>
        <Winner run={run} />
      </td>
      <td className={styles.number}>
        {formatCost(run.usage.cost_usd)}
        {run.budget_usd !== null && <span className="dim"> / {formatBudget(run.budget_usd)}</span>}
      </td>
      <td className={styles.number}>{formatDuration(ended - begun)}</td>
      <td className={styles.number}>{formatAge(begun, now)}</td>
    </tr>
  );
}

const VARIATION_GLYPHS = {
  queued: "○",
  running: "●",
  finished: "✓",
  failed: "✗",
  cancelled: "■",
} as const;

/** One mark per variation: its status, or its check results when they are known. */
function VariationStates({ lineup }: { lineup: readonly Seat[] }) {
  return (
    <ol className={styles.variations}>
      {lineup.map((agent) => {
        const ran = agent.passed + agent.failed;
        const result = ran > 0 ? `${agent.passed} of ${ran} checks pass` : agent.status;
        const kind = ran > 0 && agent.failed > 0 ? "bad" : agent.status;
        return (
          <li
            key={agent.number}
            data-kind={kind}
            title={`${agent.number}: ${visibleLine(agent.agent)}, ${result}`}
          >
            <span aria-hidden="true">
              {ran > 0 ? `${agent.passed}/${ran}` : VARIATION_GLYPHS[agent.status]}
            </span>
            <span className="visually-hidden">{`Variation ${agent.number}: ${result}`}</span>
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
