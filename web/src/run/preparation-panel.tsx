import type { RunView } from "../stream/run-view";
import { formatDuration } from "../ui/format";
import { useNow } from "../ui/use-now";
import { visibleLine } from "../ui/visible-text";
import styles from "./preparation-panel.module.css";
import { isPreparing, preparationStages, type Stage } from "./preparation-stages";

const GLYPHS = { done: "✓", running: "◐", waiting: "○", failed: "✗" } as const;

/** What goes on before the agents start, step by step with times. */
export function PreparationPanel({ view }: { view: RunView }) {
  const isAtWork = view.status === null;
  const isShown = view.lastSeq > 0 && isPreparing(view) && (isAtWork || view.status === "failed");
  const now = useNow(1_000, isShown && isAtWork);
  if (!isShown) return null;
  return (
    <section className={styles.panel} aria-label="Preparation">
      <ol>
        {preparationStages(view).map((stage) => (
          <StageRow key={stage.name} stage={stage} now={now} />
        ))}
      </ol>
    </section>
  );
}

function StageRow({ stage, now }: { stage: Stage; now: number }) {
  const { name, state, detail, line, from, to } = stage;
  return (
    <li className={styles.stage} data-state={state}>
      <span aria-hidden="true">{GLYPHS[state]}</span>
      <span>
        {name}
        <span className="visually-hidden">{`: ${state}`}</span>
      </span>
      <span className={`${styles.detail} clip`} title={visibleLine(detail)}>
        {visibleLine(detail)}
      </span>
      <span className="num dim">{from === null ? "" : formatDuration((to ?? now) - from)}</span>
      {line && state === "running" && (
        <code className={`${styles.line} clip`}>{visibleLine(line)}</code>
      )}
    </li>
  );
}
