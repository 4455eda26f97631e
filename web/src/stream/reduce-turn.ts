/** Start and end of a variation's turns, its activity, and its list of entries. */
import type { AgentSpec, CheckRun, VariationAdded, VariationStarted } from "../api/schema.gen";
import type { Activity, NoteEntry, Timestamp, TranscriptEntry, VariationView } from "./run-view";

export function emptyVariation(number: number, at: Timestamp): VariationView {
  return {
    number,
    agent: {},
    activity: { state: "queued" },
    activitySince: at,
    attempt: 0,
    startedAt: null,
    endedAt: null,
    entries: [],
    turnStart: 0,
    turns: 0,
    followUp: null,
    plan: [],
    usage: {},
    model: null,
    changedFiles: new Set(),
    checks: [],
    verdict: null,
    composed: [],
    cleared: null,
    entriesById: new Map(),
    revision: 0,
  };
}

/** Return the agent's specification, which logs of version 0.1 call `seat`. */
export function specOf(body: VariationStarted | VariationAdded): AgentSpec {
  const { seat } = body as { readonly seat?: AgentSpec };
  return body.spec ?? seat ?? {};
}

/** Start a turn. A new attempt at the same turn removes the entries of the interrupted attempt. */
export function startTurn(
  variation: VariationView,
  body: VariationStarted,
  seq: number,
  at: Timestamp,
): void {
  const followUp = body.follow_up ?? null;
  const isNewTurn =
    variation.turns === 0 || variation.endedAt !== null || followUp !== variation.followUp;
  if (isNewTurn) variation.turns += 1;
  else
    for (const gone of variation.entries.splice(variation.turnStart))
      variation.entriesById.delete(gone.id);
  variation.agent = specOf(body);
  variation.attempt = body.attempt;
  variation.followUp = followUp;
  variation.startedAt = at;
  variation.endedAt = null;
  variation.checks = [];
  variation.verdict = null;
  variation.plan = [];
  variation.changedFiles = new Set();
  if (isNewTurn) variation.turnStart = variation.entries.length;
  if (followUp !== null) addNote(variation, seq, at, "info", "Follow-up", followUp);
  else if (!isNewTurn)
    addNote(
      variation,
      seq,
      at,
      "info",
      "Restarted",
      `Attempt ${body.attempt}, because the previous attempt was interrupted.`,
    );
  setActivity(variation, { state: "starting" }, at);
}

export function endTurn(variation: VariationView, activity: Activity, at: Timestamp): void {
  variation.endedAt = at;
  setActivity(variation, activity, at);
}

export function setActivity(variation: VariationView, activity: Activity, at: Timestamp): void {
  const isSame =
    variation.activity.state === activity.state &&
    detailOf(variation.activity) === detailOf(activity);
  if (!isSame) variation.activitySince = at;
  variation.activity = activity;
}

function detailOf(activity: Activity): string {
  return "detail" in activity ? activity.detail : "";
}

export function addEntry(variation: VariationView, entry: TranscriptEntry): void {
  variation.entries.push(entry);
  variation.entriesById.set(entry.id, entry);
}

export function markUpdated(entry: TranscriptEntry, at: Timestamp): void {
  entry.updatedAt = at;
  entry.revision += 1;
}

export function addCheck(
  variation: VariationView,
  body: CheckRun,
  seq: number,
  at: Timestamp,
): void {
  setActivity(variation, { state: "checking" }, at);
  variation.checks = [...variation.checks, body.result];
  addEntry(variation, {
    type: "check",
    id: `c${seq}`,
    at,
    updatedAt: at,
    revision: 0,
    result: body.result,
  });
}

export function addNote(
  variation: VariationView,
  seq: number,
  at: Timestamp,
  tone: NoteEntry["tone"],
  title: string,
  text: string,
): void {
  addEntry(variation, {
    type: "note",
    id: `n${seq}`,
    at,
    updatedAt: at,
    revision: 0,
    tone,
    title,
    text,
  });
}
