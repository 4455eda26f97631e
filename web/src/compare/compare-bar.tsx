import type { RunDetails } from "../api/schema.gen";
import { setQueryValues } from "../app/router";
import { Button } from "../ui/button";
import { VariationBadge } from "../ui/chip";
import { columnSummary } from "./column-summary";
import type { Column } from "./columns";
import styles from "./compare-bar.module.css";
import { BASE, useComparedTrees, useDiffLayout } from "./compared-trees";
import { seatNames } from "./seat-names";
import { bestTwo } from "./tie";
import { canChoose } from "./variation-facts";

interface Props {
  readonly details: RunDetails;
  readonly columns: readonly Column[];
  readonly onChoose: (number: number) => void;
}

/**
 * Bar that stays in view: all variations at a glance, what the diff compares, its layout, and the
 * buttons that choose what is being read.
 */
export function CompareBar({ details, columns, onChoose }: Props) {
  const [from, to] = useComparedTrees(details, columns);
  const read = [from, to].filter((number) => number !== BASE);
  return (
    <nav className={styles.bar} aria-label="Comparison">
      <Variations details={details} columns={columns} from={from} to={to} />
      <p className={styles.jumps}>
        <a href="#code">Code</a>
        <a href="#tests">Tests</a>
        <a href="#metrics">Metrics</a>
      </p>
      <LayoutButtons />
      {canChoose(details) && (
        <p className={styles.choices}>
          {read.map((number) => (
            <Button key={number} size="s" variant="primary" onClick={() => onChoose(number)}>
              {`Choose ${number}`}
            </Button>
          ))}
        </p>
      )}
    </nav>
  );
}

interface VariationsProps {
  readonly details: RunDetails;
  readonly columns: readonly Column[];
  readonly from: number;
  readonly to: number;
}

/** One button for each variation, which shows its diff, and one for the best two. */
function Variations({ details, columns, from, to }: VariationsProps) {
  const names = seatNames(details.variations);
  const pair = bestTwo(
    details,
    columns.map((column) => column.number),
  );
  const isPair = pair !== null && from === pair[0] && to === pair[1];
  return (
    <div className={styles.variations}>
      {columns.map((column) => {
        const { glyph, words } = columnSummary(column, details);
        const name = `Diff of variation ${column.number}, ${names.get(column.number)}: ${words}`;
        return (
          <button
            key={column.number}
            type="button"
            aria-label={name}
            title={name}
            aria-pressed={from === BASE && to === column.number}
            onClick={() =>
              setQueryValues({ from: String(BASE), to: String(column.number), file: null })
            }
          >
            <VariationBadge number={column.number} />
            <span aria-hidden="true">{glyph}</span>
          </button>
        );
      })}
      {pair && (
        <button
          type="button"
          aria-pressed={isPair}
          onClick={() => setQueryValues({ from: String(pair[0]), to: String(pair[1]), file: null })}
        >
          {`${pair[0]} ↔ ${pair[1]}`}
        </button>
      )}
    </div>
  );
}

function LayoutButtons() {
  const [layout, setLayout] = useDiffLayout();
  return (
    <fieldset className={styles.layouts}>
      <legend className="visually-hidden">Layout of the diff</legend>
      {(["unified", "split"] as const).map((each) => (
        <Button
          key={each}
          size="s"
          variant="quiet"
          aria-pressed={layout === each}
          onClick={() => setLayout(each)}
        >
          {each === "split" ? "Side by side" : "Unified"}
        </Button>
      ))}
    </fieldset>
  );
}
