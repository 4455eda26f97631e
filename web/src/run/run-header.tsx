import { useState } from "react";
import type { RunDetails } from "../api/schema.gen";
import { useGet } from "../app/api-query";
import type { RunStream } from "../stream/run-stream";
import type { RunView } from "../stream/run-view";
import { Chip } from "../ui/chip";
import {
  formatBudget,
  formatCost,
  formatCount,
  formatDuration,
  pluralize,
  repositoryName,
  shortId,
} from "../ui/format";
import { useNow } from "../ui/use-now";
import { visibleLine } from "../ui/visible-text";
import { ConnectionChip } from "./connection-chip";
import { RunActions } from "./run-actions";
import styles from "./run-header.module.css";
import { hasEnded, totalTokens } from "./variation-labels";

interface Props {
  readonly id: string;
  readonly stream: RunStream;
  readonly view: RunView;
  readonly details: RunDetails | undefined;
  readonly onTimeline: () => void;
}

export function RunHeader({ id, stream, view, details, onTimeline }: Props) {
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
          <ConnectionChip
            connection={stream.connection}
            status={view.status}
            onRetry={() => stream.resume()}
          />
        </p>
        {details && <SetupHosts hosts={details.setup_hosts} />}
        {details?.title && <p className={styles.name}>{visibleLine(details.title)}</p>}
        <RunPrompt text={view.prompt} />
      </div>
      <RunMetrics view={view} limit={spec?.budget?.run_usd ?? null} isScripted={isScripted} />
      <RunActions
        id={id}
        stream={stream}
        view={view}
        details={details}
        isScripted={isScripted}
        onTimeline={onTimeline}
      />
    </header>
  );
}

/** The hosts that set-up reached; it alone has a way out of its sandbox. */
function SetupHosts({ hosts }: { hosts: readonly string[] }) {
  if (hosts.length === 0) return null;
  return (
    <details className={styles.hosts}>
      <summary>{`Set-up reached ${pluralize(hosts.length, "host")}`}</summary>
      <ul>
        {hosts.map((host) => (
          <li key={host}>
            <code>{visibleLine(host.replace(/:443$/, ""))}</code>
          </li>
        ))}
      </ul>
    </details>
  );
}

/** First line of the prompt; a button shows the rest. */
function RunPrompt({ text }: { text: string }) {
  const [open, setOpen] = useState(false);
  const first = text.trim().split("\n", 1)[0] ?? "";
  const hasMore = text.trim() !== first || first.length > 90;
  return (
    <h1 className={styles.prompt} dir="auto" data-open={open || undefined}>
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
  const ended = view.variations.filter(hasEnded);
  const failed = ended.filter(({ activity }) => activity.state === "failed").length;
  return (
    <dl className={styles.metrics}>
      <div>
        <dt>Elapsed</dt>
        <dd className="num">
          {formatDuration(
            (isAtWork ? now : (view.endedAt ?? view.lastAt ?? 0)) - (view.firstAt ?? 0),
          )}
        </dd>
      </div>
      <div>
        <dt>Done</dt>
        <dd className="num">{`${ended.length - failed}/${view.variations.length}`}</dd>
      </div>
      {failed > 0 && (
        <div>
          <dt>Failed</dt>
          <dd className="num">{failed}</dd>
        </div>
      )}
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
