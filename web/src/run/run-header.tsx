import { useState } from "react";
import { callApi } from "../api/client";
import type { RunDetails } from "../api/schema.gen";
import { useGet } from "../app/api-query";
import { Link } from "../app/router";
import type { RunStream } from "../stream/run-stream";
import type { RunView } from "../stream/run-view";
import { Button } from "../ui/button";
import { Chip } from "../ui/chip";
import {
  formatBudget,
  formatCost,
  formatCount,
  formatDuration,
  repositoryName,
  shortId,
} from "../ui/format";
import { showErrorToast, showToast } from "../ui/toast";
import { useNow } from "../ui/use-now";
import { visibleLine } from "../ui/visible-text";
import { AddAgentDialog } from "./add-agent-dialog";
import { ConnectionChip } from "./connection-chip";
import { FollowUpDialog } from "./follow-up-dialog";
import styles from "./run-header.module.css";
import { hasEnded, totalTokens } from "./variation-labels";

interface Props {
  readonly id: string;
  readonly stream: RunStream;
  readonly details: RunDetails | undefined;
  readonly onTimeline: () => void;
}

export function RunHeader({ id, stream, details, onTimeline }: Props) {
  const { view } = stream;
  const spec = details?.spec;
  const server = useGet("GET /server", {}, { staleTime: 60_000 });
  const isScripted = server.data?.demo_repo === view.repoUrl;
  return (
    <header className={styles.header}>
      <div className={styles.title}>
        <p className={styles.context}>
          <span className="clip">{visibleLine(repositoryName(view.repoUrl, view.folder))}</span>
          {spec?.ref && <span className="clip">{visibleLine(spec.ref)}</span>}
          {view.commit && (
            <code title={visibleLine(view.commit)}>{visibleLine(view.commit.slice(0, 8))}</code>
          )}
          <span className="mono dim" title={id}>
            {shortId(id)}
          </span>
          {isScripted && <Chip tone="warning">scripted model</Chip>}
          <ConnectionChip connection={stream.connection} status={view.status} />
        </p>
        <RunPrompt text={view.prompt} />
      </div>
      <RunMetrics view={view} limit={spec?.budget?.run_usd ?? null} isScripted={isScripted} />
      <RunActions
        id={id}
        stream={stream}
        details={details}
        isScripted={isScripted}
        onTimeline={onTimeline}
      />
    </header>
  );
}

/** First line of the prompt; a button shows the rest. */
function RunPrompt({ text }: { text: string }) {
  const [open, setOpen] = useState(false);
  const first = text.trim().split("\n", 1)[0] ?? "";
  const hasMore = text.trim() !== first || first.length > 90;
  return (
    <h1 className={styles.prompt} data-open={open || undefined}>
      <span>{open ? text.trim() : visibleLine(first)}</span>
      {hasMore && (
        <button
          type="button"
          className={styles.more}
          aria-expanded={open}
          onClick={() => setOpen(!open)}
        >
          {open ? "Show less" : "Show more"}
        </button>
      )}
    </h1>
  );
}

function RunMetrics({
  view,
  limit,
  isScripted,
}: {
  view: RunView;
  limit: number | null;
  isScripted: boolean;
}) {
  const isAtWork = view.status === null;
  const now = useNow(1_000, isAtWork);
  const costs = view.variations.map((variation) => variation.usage.cost_usd);
  const cost = costs.includes(null)
    ? null
    : costs.reduce<number>((sum, each) => sum + (each ?? 0), 0);
  const tokens = view.variations.reduce((sum, { usage }) => sum + totalTokens(usage), 0);
  const done = view.variations.filter(hasEnded).length;
  return (
    <dl className={styles.metrics}>
      <div>
        <dt>Elapsed</dt>
        <dd className="num">
          {formatDuration((isAtWork ? now : (view.lastAt ?? 0)) - (view.firstAt ?? 0))}
        </dd>
      </div>
      <div>
        <dt>Done</dt>
        <dd className="num">{`${done}/${view.variations.length}`}</dd>
      </div>
      <div>
        <dt>Tokens</dt>
        <dd className="num">{formatCount(tokens)}</dd>
      </div>
      <div>
        <dt>{costLabel(limit, isScripted)}</dt>
        <dd className="num">{formatCost(cost)}</dd>
        {limit !== null && (
          <meter
            className={styles.meter}
            min={0}
            max={limit}
            value={cost ?? 0}
            aria-label="Budget used"
          />
        )}
      </div>
    </dl>
  );
}

function costLabel(limit: number | null, isScripted: boolean): string {
  if (isScripted) return "Simulated cost";
  return limit === null ? "Cost" : `Cost of ${formatBudget(limit)}`;
}

function StopButton({ id, label, said }: { id: string; label: string; said: string }) {
  const [busy, setBusy] = useState(false);
  const stop = async () => {
    setBusy(true);
    try {
      await callApi("POST /runs/{run_id}/cancel", { path: { run_id: id } });
      showToast(said);
    } catch (error) {
      showErrorToast(error);
    } finally {
      setBusy(false);
    }
  };
  return (
    <Button variant="danger" icon="stop" busy={busy} onClick={stop}>
      {label}
    </Button>
  );
}

/** A run that a crash cut off costs nothing until a person takes it up again. */
function InterruptedActions({ id, stream }: { id: string; stream: RunStream }) {
  const resume = async () => {
    try {
      await callApi("POST /runs/{run_id}/resume", { path: { run_id: id } });
      stream.resume();
    } catch (error) {
      showErrorToast(error);
    }
  };
  return (
    <div className={styles.actions}>
      <span>Interrupted: the server ended.</span>
      <Button icon="send" onClick={resume}>
        Resume
      </Button>
      <StopButton id={id} label="Cancel" said="The run is cancelled. Its work is kept." />
    </div>
  );
}

function RunActions({
  id,
  stream,
  details,
  isScripted,
  onTimeline,
}: Props & { isScripted: boolean }) {
  const { view } = stream;
  const [dialog, setDialog] = useState<"prompt" | "agent">();
  const close = () => setDialog(undefined);
  const settled = view.variations.filter(hasEnded);
  if (view.status === "interrupted") return <InterruptedActions id={id} stream={stream} />;
  return (
    <div className={styles.actions}>
      <Button icon="timeline" iconOnly onClick={onTimeline}>
        Timeline
      </Button>
      {settled.length >= 2 && (
        <Link href={`/runs/${id}/compare`} className={styles.compare}>
          Compare
        </Link>
      )}
      {settled.length > 0 && (
        <Button icon="send" onClick={() => setDialog("prompt")}>
          Prompt all
        </Button>
      )}
      <Button icon="plus" onClick={() => setDialog("agent")}>
        Add agent
      </Button>
      {view.status === null && (
        <StopButton id={id} label="Stop all" said="Stopping all variations. Their work is kept." />
      )}
      {dialog === "prompt" && (
        <FollowUpDialog
          runId={id}
          numbers={settled.map((variation) => variation.number)}
          stream={stream}
          onClose={close}
        />
      )}
      {dialog === "agent" && details && (
        <AddAgentDialog run={details} stream={stream} isScripted={isScripted} onClose={close} />
      )}
    </div>
  );
}
