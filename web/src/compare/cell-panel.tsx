import type { CheckResult } from "../api/schema.gen";
import { Link } from "../app/router";
import type { RunView } from "../stream/types";
import { Ansi } from "../ui/ansi";
import { Button } from "../ui/button";
import { LaneMark } from "../ui/chip";
import { line, terminal } from "../ui/plain";
import type { Cell, Row } from "./matrix";
import styles from "./panel.module.css";
import { sentence } from "./signs";

interface Props {
  readonly row: Row;
  readonly cell: Cell;
  readonly view: RunView;
  readonly runId: string;
  readonly onClose: () => void;
}

/** What stands behind one cell: the sentence, the message, the output of the check. */
export function CellPanel({ row, cell, view, runId, onClose }: Props) {
  const lane = view.lanes[cell.variation - 1];
  const ran = lane?.checks.findLast((each) => each.check === row.check);
  const onBase = view.baseline.find((each) => each.check === row.check);
  return (
    <section
      className={styles.panel}
      aria-label={`${line(row.title)}, variation ${cell.variation}`}
    >
      <header className={styles.head}>
        <LaneMark number={cell.variation} />
        <p>
          <strong>{line(row.title)}</strong> {sentence(cell)}
          {row.cross?.why_not && ` It does not count: ${line(row.cross.why_not)}`}
        </p>
        <Link href={`/runs/${runId}?focus=${cell.variation}`}>Transcript</Link>
        <Button look="quiet" size="s" icon="close" bare onClick={onClose}>
          Close
        </Button>
      </header>
      {row.file && <p className="dim mono">{line(row.file)}</p>}
      {cell.message && <Output label="What the test said" text={cell.message} />}
      {row.kind !== "cross" && (
        <>
          {ran && <CheckOutput label="Output of the check" result={ran} isOpen={!cell.message} />}
          {onBase && (
            <CheckOutput label="The same check on the base" result={onBase} isOpen={false} />
          )}
        </>
      )}
      {!cell.message && row.kind !== "cross" && !ran && (
        <p className="dim">Nothing was printed, or the log of it is not here any more.</p>
      )}
    </section>
  );
}

function CheckOutput({
  label,
  result,
  isOpen,
}: {
  label: string;
  result: CheckResult;
  isOpen: boolean;
}) {
  const exit =
    result.exit_code === null ? (result.note ?? "did not end") : `exit ${result.exit_code}`;
  return (
    <details open={isOpen}>
      <summary>
        {label} <span className="dim num">{`${line(exit)}, ${result.seconds.toFixed(1)} s`}</span>
      </summary>
      <Output label={label} text={result.output || "It printed nothing."} />
    </details>
  );
}

function Output({ label, text }: { label: string; text: string }) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by the keyboard
    <section className={styles.output} tabIndex={0} aria-label={label}>
      <pre>
        <Ansi text={terminal(text)} />
      </pre>
    </section>
  );
}
