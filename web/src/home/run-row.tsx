import type { RunStatus, Seat, Summary } from "../api/schema.gen";
import { Link } from "../app/router";
import { Chip, LaneMark, type Tone } from "../ui/chip";
import { ago, cap, duration, money, repoName } from "../ui/format";
import { line } from "../ui/plain";
import styles from "./runs.module.css";

const STATES: Readonly<Record<RunStatus, readonly [Tone, string]>> = {
  queued: ["plain", "○"],
  running: ["work", "●"],
  finished: ["warn", "◆"],
  decided: ["good", "★"],
  failed: ["bad", "✗"],
  cancelled: ["plain", "■"],
};

interface Props {
  readonly run: Summary;
  readonly now: number;
  readonly isScripted: boolean;
}

/** One run at a glance. The whole row leads to it; the link is in the prompt. */
export function RunRow({ run, now, isScripted }: Props) {
  const [tone, glyph] = STATES[run.status];
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
        <Link href={`/runs/${run.id}`} title={line(run.prompt)}>
          {line(run.prompt)}
        </Link>
        <span className={styles.where}>
          {line(repoName(run.repo_url))}
          {run.ref ? ` @ ${line(run.ref)}` : ""}
          {isScripted && <span className={styles.scripted}>scripted model</span>}
        </span>
      </td>
      <td>
        <Seats seats={run.seats} />
      </td>
      <td>
        <Winner run={run} />
      </td>
      <td className={styles.figure}>
        {money(run.usage.cost_usd)}
        {run.budget_usd !== null && <span className="dim"> / {cap(run.budget_usd)}</span>}
      </td>
      <td className={styles.figure}>{duration(ended - begun)}</td>
      <td className={styles.figure}>{ago(begun, now)}</td>
    </tr>
  );
}

const SEAT_GLYPHS = {
  queued: "○",
  running: "●",
  finished: "✓",
  failed: "✗",
  cancelled: "■",
} as const;

/** A mark for each variation: how it stands, and its checks when they are known. */
function Seats({ seats }: { seats: readonly Seat[] }) {
  return (
    <ol className={styles.seats}>
      {seats.map((seat) => {
        const ran = seat.passed + seat.failed;
        const result = ran > 0 ? `${seat.passed} of ${ran} checks pass` : seat.status;
        const kind = ran > 0 && seat.failed > 0 ? "bad" : seat.status;
        return (
          <li
            key={seat.number}
            data-kind={kind}
            title={`${seat.number}: ${line(seat.agent)}, ${result}`}
          >
            <span aria-hidden="true">
              {ran > 0 ? `${seat.passed}/${ran}` : SEAT_GLYPHS[seat.status]}
            </span>
            <span className="only-read-aloud">{`Variation ${seat.number}: ${result}`}</span>
          </li>
        );
      })}
    </ol>
  );
}

function Winner({ run }: { run: Summary }) {
  if (run.winner !== null) return <LaneMark number={run.winner} />;
  if (run.recommended !== null) {
    return (
      <span className={styles.advice}>
        <LaneMark number={run.recommended} /> recommended
      </span>
    );
  }
  if (run.status === "finished") return <span className="dim">cannot tell</span>;
  return <span className="dim">–</span>;
}
