/**
 * The present state of a run, which is true before its history is read.
 *
 * `GET /runs/{id}` tells status, times, usage and verdicts at once; the stream takes seconds for a
 * long history. Where the details are ahead of the events, they win; the transcript always comes
 * from the events.
 */
import type { RunDetails, Variation } from "../api/schema.gen";
import { emptyVariation } from "./reduce-turn";
import type { Activity, RunView, Timestamp, VariationView } from "./run-view";

/** Return the view with what the details know better. Return the view itself where they do not. */
export function currentView(view: RunView, details: RunDetails | undefined): RunView {
  if (!details) return view;
  const isNew = view.lastSeq === 0;
  const isBehind = view.status === null && isAhead(view, details.finished_at);
  const ahead = new Set(
    details.variations.filter((each) => isVariationAhead(view, each)).map((each) => each.number),
  );
  if (view.prompt !== "" && !isBehind && ahead.size === 0) return view;
  return {
    ...view,
    ...(view.prompt === "" ? submission(details) : {}),
    ...(isBehind ? outcome(details) : {}),
    variations: details.variations.map((each) => {
      const known = view.variations[each.number - 1];
      if (known && !ahead.has(each.number) && !isNew) return known;
      return variationFrom(each, known ?? emptyVariation(each.number, startOf(details)));
    }),
  };
}

/** Whether something ended after the newest event that was read. */
function isAhead(view: RunView, endedAt: string | null): boolean {
  return endedAt !== null && (view.lastAt ?? 0) < Date.parse(endedAt);
}

function isVariationAhead(view: RunView, details: Variation): boolean {
  const known = view.variations[details.number - 1];
  return known?.endedAt == null && isAhead(view, details.finished_at);
}

function startOf(details: RunDetails): Timestamp {
  return Date.parse(details.created_at);
}

function submission({ spec, commit, checks, created_at }: RunDetails): Partial<RunView> {
  return {
    repoUrl: spec.repo_url,
    folder: spec.path,
    commit,
    prompt: spec.prompt,
    checks,
    firstAt: Date.parse(created_at),
  };
}

function outcome(details: RunDetails): Partial<RunView> {
  const { status, ranking, evidence, publication, failure, winner, winner_reason } = details;
  return {
    status,
    ranking,
    evidence,
    publication,
    error: failure?.message ?? null,
    selected:
      winner === null
        ? null
        : { kind: "selected", winning_variation_id: winner, reason: winner_reason },
    firstAt: startOf(details),
    endedAt: details.finished_at === null ? null : Date.parse(details.finished_at),
    askedHosts: [],
  };
}

function variationFrom(details: Variation, known: VariationView): VariationView {
  const { spec, attempt, usage, verdict, started_at, finished_at, cleared, composed } = details;
  return {
    ...known,
    agent: spec,
    attempt,
    usage,
    verdict,
    cleared,
    composed,
    activity: activityOf(details),
    startedAt: started_at === null ? null : Date.parse(started_at),
    endedAt: finished_at === null ? null : Date.parse(finished_at),
  };
}

function activityOf({ status, failure, started_at }: Variation): Activity {
  switch (status) {
    case "finished":
      return { state: "done" };
    case "failed":
      return { state: "failed", detail: failure?.message ?? "" };
    case "cancelled":
      return { state: "stopped", detail: failure?.message ?? "" };
    case "running":
      return { state: started_at === null ? "queued" : "working", detail: "" };
    case "queued":
      return { state: "queued" };
  }
}
