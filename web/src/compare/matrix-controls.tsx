import { Button } from "../ui/button";
import { controlClass } from "../ui/field";
import styles from "./matrix-items.module.css";
import { FILTERS, type MatrixFilter, type MatrixQuery } from "./matrix-view";

const LABELS: Readonly<Record<MatrixFilter, string>> = {
  all: "All",
  differences: "Differences",
  fixed: "Fixed",
  broken: "Broken",
};

/** Filter and search of the matrix. */
export function MatrixControls({
  query,
  onChange,
}: {
  query: MatrixQuery;
  onChange: (query: MatrixQuery) => void;
}) {
  return (
    <search className={styles.controls}>
      <fieldset>
        <legend className="visually-hidden">Shown tests</legend>
        {FILTERS.map((filter) => (
          <Button
            key={filter}
            size="s"
            variant="quiet"
            aria-pressed={query.filter === filter}
            onClick={() => onChange({ ...query, filter })}
          >
            {LABELS[filter]}
          </Button>
        ))}
      </fieldset>
      <input
        type="search"
        className={controlClass}
        aria-label="Search tests"
        placeholder="Search tests"
        value={query.text}
        onChange={({ target }) => onChange({ ...query, text: target.value.toLowerCase() })}
      />
    </search>
  );
}
