import { memo, useState } from "react";
import { callApi } from "../api/client";
import type { RunStream } from "../stream/run-stream";
import type { Timestamp, VariationView } from "../stream/run-view";
import { Button } from "../ui/button";
import { Chip, VariationBadge, variationColour } from "../ui/chip";
import {
  formatCost,
  formatCount,
  formatDuration,
  formatShortDuration,
  formatThousands,
  pluralize,
} from "../ui/format";
import { showErrorToast } from "../ui/toast";
import { useNow } from "../ui/use-now";
import { visibleLine } from "../ui/visible-text";
import { FollowUpDialog } from "./follow-up-dialog";
import { PlanChecklist } from "./plan-checklist";
import { Transcript } from "./transcript";
import {
  activityBadge,
  activityText,
  checkCounts,
  hasEnded,
  totalTokens,
  variationAgent,
} from "./variation-labels";
import styles from "./variation-panel.module.css";

interface GridActions {
  readonly runId: string;
  readonly stream: RunStream;
  /** Whether a replay is shown, in which nothing can be stopped or prompted. */
  readonly isPast: boolean;
  /** When the run ended, with or without this variation; null while it is in progress. */
  readonly runEndedAt: Timestamp | null;
  readonly onCurrent: (variation: number) => void;
  readonly onFocus: (variation: number | null) => void;
  /** Open the workbench: terminals and previews in the variation's sandbox. */
  readonly onWorkbench: (variation: number) => void;
}

interface Props {
  readonly variation: VariationView;
  /** Changes with each update, since the variation is changed in place. */
  readonly revision: number;
  readonly isCurrent: boolean;
  readonly isFocus: boolean;
  readonly shared: GridActions;
}

/** One variation: agent, activity, cost, and transcript. */
export const VariationPanel = memo(function VariationPanel({
  variation,
  revision,
  isCurrent,
  isFocus,
  shared,
}: Props) {
  return (
    <section
      id={`variation-${variation.number}`}
      className={styles.panel}
      style={
        {
          "--variation-colour": variationColour(variation.number),
        } as React.CSSProperties
      }
      data-current={isCurrent || undefined}
      aria-label={`Variation ${variation.number}, ${variationAgent(variation)}`}
      onFocusCapture={() => shared.onCurrent(variation.number)}
    >
      <header className={styles.header}>
        <VariationBadge number={variation.number} />
        <h2 className="clip" title={variation.agent.instructions || undefined}>
          {variationAgent(variation)}
          {variation.agent.instructions && (
            <span className="dim"> · {visibleLine(variation.agent.instructions)}</span>
          )}
        </h2>
        <VariationActions variation={variation} isFocus={isFocus} shared={shared} />
      </header>
      <ActivityLine variation={variation} runEndedAt={shared.runEndedAt} />
      <Counters variation={variation} />
      <PlanChecklist entries={variation.plan} isOver={hasEnded(variation)} />
      <Transcript variation={variation} revision={revision} />
    </section>
  );
});

/** Current activity as told by the event log, with the time since it began. */
function ActivityLine({
  variation,
  runEndedAt,
}: {
  variation: VariationView;
  runEndedAt: Timestamp | null;
}) {
  const isOver = hasEnded(variation);
  const now = useNow(1_000, !isOver && runEndedAt === null);
  const { glyph, tone } = activityBadge(variation.activity);
  const text = activityText(variation.activity);
  return (
    <p className={styles.activity} title={text}>
      <Chip tone={tone} glyph={glyph}>
        {isOver ? variation.activity.state : ""}
      </Chip>
      <span className="clip">{isOver ? endReason(variation) : text}</span>
      <span className="num dim">
        {isOver
          ? formatDuration(turnDuration(variation))
          : formatShortDuration((runEndedAt ?? now) - variation.activitySince)}
      </span>
    </p>
  );
}

/** Return why the variation failed or was stopped; empty when it is done. */
function endReason({ activity }: VariationView): string {
  const text = "detail" in activity ? visibleLine(activity.detail) : "";
  return activity.state === "stopped" ? text.replace(/^Stopped /, "") : text;
}

function turnDuration({ startedAt, endedAt }: VariationView): number {
  return startedAt === null || endedAt === null ? 0 : endedAt - startedAt;
}

function Counters({ variation }: { variation: VariationView }) {
  const { usage, verdict } = variation;
  const ran = checkCounts(variation);
  const files = verdict?.patch.files ?? variation.changedFiles.size;
  return (
    <ul className={styles.counters}>
      <li className="num">{`${formatCount(totalTokens(usage))} tokens`}</li>
      <li className="num">{formatCost(usage.cost_usd)}</li>
      <li className="num">
        {pluralize(files, "file")}
        {verdict && (
          <>
            {" "}
            <span className={styles.additions}>
              +{formatThousands(verdict.patch.additions ?? 0)}
            </span>{" "}
            <span className={styles.deletions}>
              −{formatThousands(verdict.patch.deletions ?? 0)}
            </span>
          </>
        )}
      </li>
      {ran.good + ran.bad > 0 && (
        <li className="num">
          <span className={styles.additions}>{ran.good}✓</span>{" "}
          <span className={ran.bad > 0 ? styles.deletions : undefined}>{ran.bad}✗</span>
          {ran.final ? "" : " so far"}
        </li>
      )}
    </ul>
  );
}

function VariationActions({
  variation,
  isFocus,
  shared,
}: {
  variation: VariationView;
  isFocus: boolean;
  shared: GridActions;
}) {
  const [prompting, setPrompting] = useState(false);
  const [busy, setBusy] = useState(false);
  const stop = async () => {
    setBusy(true);
    try {
      const path = { run_id: shared.runId, number: variation.number };
      await callApi("POST /runs/{run_id}/variations/{number}/cancel", { path });
    } catch (error) {
      showErrorToast(error);
    } finally {
      setBusy(false);
    }
  };
  return (
    <div className={styles.actions}>
      {!shared.isPast && variation.startedAt !== null && (
        <Button
          variant="quiet"
          size="s"
          icon="terminal"
          iconOnly
          onClick={() => shared.onWorkbench(variation.number)}
        >
          {`Open a terminal in variation ${variation.number}`}
        </Button>
      )}
      {!shared.isPast &&
        (hasEnded(variation) ? (
          <Button variant="quiet" size="s" icon="send" iconOnly onClick={() => setPrompting(true)}>
            {`Prompt variation ${variation.number}`}
          </Button>
        ) : (
          shared.runEndedAt === null && (
            <Button variant="quiet" size="s" icon="stop" iconOnly busy={busy} onClick={stop}>
              {`Stop variation ${variation.number}`}
            </Button>
          )
        ))}
      <Button
        variant="quiet"
        size="s"
        icon={isFocus ? "columns" : "expand"}
        iconOnly
        onClick={() => shared.onFocus(isFocus ? null : variation.number)}
      >
        {isFocus ? "Show all variations" : `Focus variation ${variation.number}`}
      </Button>
      {prompting && (
        <FollowUpDialog
          runId={shared.runId}
          numbers={[variation.number]}
          stream={shared.stream}
          onClose={() => setPrompting(false)}
        />
      )}
    </div>
  );
}
