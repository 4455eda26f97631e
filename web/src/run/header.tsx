import { useState } from "react";
import { call } from "../api/client";
import type { RunDetails } from "../api/schema.gen";
import { useGet } from "../app/query";
import { Link } from "../app/router";
import type { RunStream } from "../stream/stream";
import type { RunView } from "../stream/types";
import { Button } from "../ui/button";
import { Chip } from "../ui/chip";
import { cap, count, duration, money, repoName, shortId } from "../ui/format";
import { line, plain } from "../ui/plain";
import { useNow } from "../ui/time";
import { toast, toastError } from "../ui/toast";
import { ConnectionPill } from "./connection";
import styles from "./header.module.css";
import { PromptDialog } from "./prompt-dialog";
import { SeatDialog } from "./seat-dialog";
import { isSettled } from "./words";

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
  const isScripted = server.data?.demo_repo === view.repo;
  return (
    <header className={styles.header}>
      <div className={styles.what}>
        <p className={styles.where}>
          <span className="clip">{line(repoName(view.repo))}</span>
          {spec?.ref && <span className="clip">{line(spec.ref)}</span>}
          {view.commit && <code title={line(view.commit)}>{line(view.commit.slice(0, 8))}</code>}
          <span className="mono dim" title={id}>
            {shortId(id)}
          </span>
          {isScripted && <Chip tone="warn">scripted model</Chip>}
          <ConnectionPill connection={stream.connection} />
        </p>
        <Prompt text={view.prompt} />
      </div>
      <Figures view={view} cap={spec?.budget?.run_usd ?? null} isScripted={isScripted} />
      <Actions
        id={id}
        stream={stream}
        details={details}
        isScripted={isScripted}
        onTimeline={onTimeline}
      />
    </header>
  );
}

/** The first line; the rest on a click. */
function Prompt({ text }: { text: string }) {
  const [open, setOpen] = useState(false);
  const first = text.trim().split("\n", 1)[0] ?? "";
  const hasMore = text.trim() !== first || first.length > 90;
  return (
    <h1 className={styles.prompt} data-open={open || undefined}>
      <span>{open ? plain(text.trim()) : line(first)}</span>
      {hasMore && (
        <button
          type="button"
          className={styles.more}
          aria-expanded={open}
          onClick={() => setOpen(!open)}
        >
          {open ? "less" : "more"}
        </button>
      )}
    </h1>
  );
}

function Figures({
  view,
  cap: limit,
  isScripted,
}: {
  view: RunView;
  cap: number | null;
  isScripted: boolean;
}) {
  const isAtWork = view.status === null;
  const now = useNow(1_000, isAtWork);
  const costs = view.lanes.map((lane) => lane.usage.cost_usd);
  const cost = costs.includes(null)
    ? null
    : costs.reduce<number>((sum, each) => sum + (each ?? 0), 0);
  const tokens = view.lanes.reduce(
    (sum, { usage }) => sum + (usage.input_tokens ?? 0) + (usage.output_tokens ?? 0),
    0,
  );
  const done = view.lanes.filter(isSettled).length;
  return (
    <dl className={styles.figures}>
      <div>
        <dt>Elapsed</dt>
        <dd className="num">
          {duration((isAtWork ? now : (view.lastAt ?? 0)) - (view.firstAt ?? 0))}
        </dd>
      </div>
      <div>
        <dt>Done</dt>
        <dd className="num">{`${done}/${view.lanes.length}`}</dd>
      </div>
      <div>
        <dt>Tokens</dt>
        <dd className="num">{count(tokens)}</dd>
      </div>
      <div>
        <dt>{costLabel(limit, isScripted)}</dt>
        <dd className="num">{money(cost)}</dd>
        {limit !== null && (
          <meter
            className={styles.meter}
            min={0}
            max={limit}
            value={cost ?? 0}
            aria-label="Spent of the budget"
          />
        )}
      </div>
    </dl>
  );
}

function costLabel(limit: number | null, isScripted: boolean): string {
  if (isScripted) return "Cost, not charged";
  return limit === null ? "Cost" : `Cost of ${cap(limit)}`;
}

function Actions({ id, stream, details, isScripted, onTimeline }: Props & { isScripted: boolean }) {
  const { view } = stream;
  const [dialog, setDialog] = useState<"prompt" | "seat">();
  const close = () => setDialog(undefined);
  const [busy, setBusy] = useState(false);
  const settled = view.lanes.filter(isSettled);
  const stopAll = async () => {
    setBusy(true);
    try {
      await call("POST /runs/{run_id}/cancel", { path: { run_id: id } });
      toast("Stopping every variation; what they did is kept.");
    } catch (error) {
      toastError(error);
    } finally {
      setBusy(false);
    }
  };
  return (
    <div className={styles.actions}>
      <Button icon="timeline" bare onClick={onTimeline}>
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
      <Button icon="plus" onClick={() => setDialog("seat")}>
        Add agent
      </Button>
      {view.status === null && (
        <Button look="danger" icon="stop" busy={busy} onClick={stopAll}>
          Stop all
        </Button>
      )}
      {dialog === "prompt" && (
        <PromptDialog
          runId={id}
          lanes={settled.map((lane) => lane.number)}
          stream={stream}
          onClose={close}
        />
      )}
      {dialog === "seat" && details && (
        <SeatDialog run={details} stream={stream} isScripted={isScripted} onClose={close} />
      )}
    </div>
  );
}
