import type { CheckResult } from "../api/schema.gen";
import { Link } from "../app/router";
import type { RunView, VariationView } from "../stream/run-view";
import { AnsiText } from "../ui/ansi-text";
import { Button } from "../ui/button";
import { VariationBadge } from "../ui/chip";
import { visibleLine, visibleTerminal } from "../ui/visible-text";
import { cellExplanation } from "./cell-labels";
import styles from "./cell-panel.module.css";
import type { MatrixCell, MatrixRow } from "./matrix-rows";

interface Props {
  readonly row: MatrixRow;
  readonly cell: MatrixCell;
  readonly view: RunView;
  readonly runId: string;
  readonly onClose: () => void;
}

/** Details of one cell: explanation, test message, and output of the check. */
export function CellPanel({ row, cell, view, runId, onClose }: Props) {
  const live = view.variations[cell.variation - 1];
  const ran = live?.checks.findLast((each) => each.check === row.check);
  const onBase = view.baseline.findLast((each) => each.check === row.check);
  return (
    <section
      className={styles.panel}
      aria-label={`${visibleLine(row.title)}, variation ${cell.variation}`}
    >
      <header className={styles.header}>
        <VariationBadge number={cell.variation} />
        <p>
          <strong>{visibleLine(row.title)}</strong> {cellExplanation(cell)}
          {row.cross?.why_not && ` It has no weight: ${visibleLine(row.cross.why_not)}`}
        </p>
        <Link href={`/runs/${runId}?focus=${cell.variation}`}>Transcript</Link>
        <MomentLink runId={runId} view={view} variation={live} />
        <Button variant="quiet" size="s" icon="close" iconOnly onClick={onClose}>
          Close
        </Button>
      </header>
      {row.file && <p className="dim mono">{visibleLine(row.file)}</p>}
      {cell.message && (
        <OutputBlock label={row.kind === "check" ? "Reason" : "Test message"} text={cell.message} />
      )}
      {row.kind !== "cross" && (
        <>
          {ran && (
            <CheckOutput
              label="Check output"
              result={ran}
              isOpen={row.kind === "check" || !cell.message}
            />
          )}
          {!ran && cell.output && <OutputBlock label="Check output" text={cell.output} />}
          {onBase && (
            <CheckOutput label="Check output on the base" result={onBase} isOpen={false} />
          )}
        </>
      )}
      {!cell.message && row.kind !== "cross" && !ran && !cell.output && (
        <p className="dim">There is no output, or its log is no longer available.</p>
      )}
    </section>
  );
}

interface MomentProps {
  readonly runId: string;
  readonly view: RunView;
  readonly variation: VariationView | undefined;
}

/** Link to the replay at the moment when the variation's checks began. */
function MomentLink({ runId, view: { firstAt }, variation }: MomentProps) {
  if (!variation || firstAt === null || variation.endedAt === null) return null;
  const { endedAt, verdict, number } = variation;
  const seconds = Math.max(0, (endedAt - firstAt) / 1000 - (verdict?.seconds ?? 0));
  return (
    <Link href={`/runs/${runId}?focus=${number}&at=${seconds.toFixed(1)}`}>
      Replay from its checks
    </Link>
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
    result.exit_code === null ? (result.note ?? "did not finish") : `exit ${result.exit_code}`;
  return (
    <details open={isOpen}>
      <summary>
        {label}{" "}
        <span className="dim num">{`${visibleLine(exit)}, ${result.seconds.toFixed(1)} s`}</span>
      </summary>
      <OutputBlock label={label} text={result.output || "No output."} />
    </details>
  );
}

function OutputBlock({ label, text }: { label: string; text: string }) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: the keyboard must reach what scrolls
    <section className={styles.output} tabIndex={0} aria-label={label}>
      <pre>
        <AnsiText text={visibleTerminal(text)} />
      </pre>
    </section>
  );
}
