/** What becomes of a lane: turns begin and end, it enters a state, entries are added. Part of `reduce.ts`. */
import type { CheckRun, VariationStarted } from "../api/schema.gen";
import type { Doing, Entry, Lane, Moment, NoteEntry } from "./types";

export function emptyLane(number: number, at: Moment): Lane {
  return {
    number,
    seat: {},
    doing: { word: "queued" },
    since: at,
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
    calls: 0,
    touched: new Set(),
    checks: [],
    verdict: null,
    isolation: null,
    composed: [],
    cleared: null,
    byId: new Map(),
    revision: 0,
  };
}

/** A turn begins. The same turn again is a new attempt: what the earlier one said does not count. */
export function begin(lane: Lane, body: VariationStarted, seq: number, at: Moment): void {
  const followUp = body.follow_up ?? null;
  const isNewTurn = lane.turns === 0 || lane.endedAt !== null || followUp !== lane.followUp;
  if (isNewTurn) lane.turns += 1;
  else for (const gone of lane.entries.splice(lane.turnStart)) lane.byId.delete(gone.id);
  lane.seat = body.seat;
  lane.attempt = body.attempt;
  lane.followUp = followUp;
  lane.startedAt = at;
  lane.endedAt = null;
  lane.checks = [];
  lane.verdict = null;
  lane.plan = [];
  lane.calls = 0;
  lane.touched = new Set();
  if (isNewTurn) lane.turnStart = lane.entries.length;
  if (followUp !== null) note(lane, seq, at, "plain", "Follow-up", followUp);
  else if (!isNewTurn)
    note(
      lane,
      seq,
      at,
      "plain",
      "Begun anew",
      `attempt ${body.attempt}: the one before was cut off`,
    );
  enter(lane, { word: "starting" }, at);
}

export function end(lane: Lane, doing: Doing, at: Moment): void {
  lane.endedAt = at;
  enter(lane, doing, at);
}

export function enter(lane: Lane, doing: Doing, at: Moment): void {
  const isSame = lane.doing.word === doing.word && whatOf(lane.doing) === whatOf(doing);
  if (!isSame) lane.since = at;
  lane.doing = doing;
}

function whatOf(doing: Doing): string {
  return "what" in doing ? doing.what : "";
}

export function add(lane: Lane, entry: Entry): void {
  lane.entries.push(entry);
  lane.byId.set(entry.id, entry);
}

export function touch(entry: Entry, at: Moment): void {
  entry.until = at;
  entry.revision += 1;
}

export function check(lane: Lane, body: CheckRun, seq: number, at: Moment): void {
  enter(lane, { word: "checking" }, at);
  lane.checks = [...lane.checks, body.result];
  add(lane, { type: "check", id: `c${seq}`, at, until: at, revision: 0, result: body.result });
}

export function note(
  lane: Lane,
  seq: number,
  at: Moment,
  tone: NoteEntry["tone"],
  title: string,
  text: string,
): void {
  add(lane, { type: "note", id: `n${seq}`, at, until: at, revision: 0, tone, title, text });
}
