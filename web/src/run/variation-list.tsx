import type { VariationView } from "../stream/run-view";
import { VariationBadge } from "../ui/chip";
import { activityBadge, activityText, variationAgent } from "./variation-labels";
import styles from "./variation-list.module.css";

interface Props {
  readonly variations: readonly VariationView[];
  readonly current: number;
  readonly onPick: (variation: number) => void;
}

/** Compact list of the variations: beside the focused one, or as tabs on a phone. */
export function VariationList({ variations, current, onPick }: Props) {
  return (
    <nav className={styles.list} aria-label="Variations">
      {variations.map((variation) => (
        <button
          key={variation.number}
          type="button"
          className={styles.item}
          aria-current={variation.number === current ? "true" : undefined}
          onClick={() => onPick(variation.number)}
        >
          <VariationBadge number={variation.number} />
          <span className={styles.name}>{variationAgent(variation)}</span>
          <span className={styles.activity}>
            <span aria-hidden="true">{activityBadge(variation.activity).glyph} </span>
            {activityText(variation.activity)}
          </span>
        </button>
      ))}
    </nav>
  );
}
