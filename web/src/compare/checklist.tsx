import styles from "./recommendation-panel.module.css";
import type { ChecklistItem } from "./rule-checklist";

const GLYPHS = { yes: "✓", partly: "≈", no: "✗" } as const;
const WORDS = { yes: "holds", partly: "holds in part", no: "does not hold" } as const;

/** The conditions that were counted, each with its figures and whether it holds. */
export function Checklist({ items, label }: { items: readonly ChecklistItem[]; label: string }) {
  if (items.length === 0) return null;
  return (
    <ul className={styles.checklist} aria-label={label}>
      {items.map((item) => (
        <li key={item.text} data-state={item.state}>
          <span aria-hidden="true">{GLYPHS[item.state]}</span>
          <span className="visually-hidden">{`${WORDS[item.state]}: `}</span>
          {item.text}
        </li>
      ))}
    </ul>
  );
}
