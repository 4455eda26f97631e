import type { PlanEntry } from "../api/schema.gen";
import { visibleLine } from "../ui/visible-text";
import styles from "./plan-checklist.module.css";

const GLYPHS = { pending: "○", in_progress: "◐", completed: "✓" } as const;

/** The agent's plan as a checklist. Only the current step shows until the list is opened. */
export function PlanChecklist({
  entries,
  isOver,
}: {
  entries: readonly PlanEntry[];
  isOver: boolean;
}) {
  if (entries.length === 0) return null;
  const done = entries.filter((entry) => entry.status === "completed").length;
  const now =
    entries.find((entry) => entry.status === "in_progress") ??
    entries.find((entry) => entry.status !== "completed");
  return (
    <details className={styles.plan}>
      <summary>
        <span className="num">{`Plan ${done}/${entries.length}`}</span>
        {now && !isOver && <span className={styles.step}>{visibleLine(now.content)}</span>}
      </summary>
      <ol>
        {entries.map((entry, index) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: a plan replaces the one before as a whole
          <li key={index} data-status={entry.status ?? "pending"}>
            <span aria-hidden="true">{GLYPHS[entry.status ?? "pending"]}</span>
            <span>
              <span className="visually-hidden">
                {(entry.status ?? "pending").replace("_", " ")}:{" "}
              </span>
              {visibleLine(entry.content)}
            </span>
          </li>
        ))}
      </ol>
    </details>
  );
}
