import type { RunDetails } from "../api/schema.gen";
import { Button } from "../ui/button";
import { Chip, VariationBadge } from "../ui/chip";
import { formatThousands, pluralize } from "../ui/format";
import { Checklist } from "./checklist";
import styles from "./recommendation-panel.module.css";
import { ruleChecklist } from "./rule-checklist";
import { seatNames } from "./seat-names";
import { MAX_LISTED } from "./tie";
import { canChoose } from "./variation-facts";

interface Props {
  readonly details: RunDetails;
  readonly numbers: readonly number[];
  readonly onChoose: (number: number) => void;
}

/**
 * Variations that are equally proven, side by side, each with its evidence and its button. Those
 * beyond the first few are folded.
 */
export function TieChoices({ numbers, ...props }: Props) {
  const rest = numbers.slice(MAX_LISTED);
  return (
    <>
      <ChoiceList numbers={numbers.slice(0, MAX_LISTED)} {...props} />
      {rest.length > 0 && (
        <details className={styles.rule}>
          <summary>{`${rest.length} more that are equally proven`}</summary>
          <ChoiceList numbers={rest} {...props} />
        </details>
      )}
    </>
  );
}

function ChoiceList({ details, numbers, onChoose }: Props) {
  const names = seatNames(details.variations);
  return (
    <ul className={styles.choices} aria-label="Equally proven">
      {numbers.map((number) => {
        const patch = details.variations[number - 1]?.verdict?.patch ?? {};
        return (
          <li key={number}>
            <p className={styles.choiceHead}>
              <VariationBadge number={number} />
              <span className="clip">{names.get(number)}</span>
              {details.winner === number && (
                <Chip tone="good" glyph="★">
                  chosen
                </Chip>
              )}
            </p>
            <p className="dim num">
              {pluralize(patch.files ?? 0, "file")}, +{formatThousands(patch.additions ?? 0)} −
              {formatThousands(patch.deletions ?? 0)}
            </p>
            <Checklist
              items={ruleChecklist(details, number)}
              label={`Evidence for variation ${number}`}
            />
            {canChoose(details) && (
              <Button variant="primary" icon="check" onClick={() => onChoose(number)}>
                {`Choose ${number}`}
              </Button>
            )}
          </li>
        );
      })}
    </ul>
  );
}
