/**
 * Events → what is shown. Pure in its result: the same events in the same order give the same view, however they were
 * split, doubled or resumed (tests/reduce.test.ts). It changes the view in place, because a copy of ten thousand
 * entries for each event would be the end of every frame.
 */
import type { Event, RunStarted } from "../api/schema.gen";
import { begin, check, emptyLane, end, enter, note } from "./lane";
import { say, updateTool, use } from "./said";
import type { Body, Lane, Moment, RunView } from "./types";

export function emptyRun(): RunView {
  return {
    lastSeq: 0,
    lastKind: null,
    repo: "",
    commit: null,
    prompt: "",
    checks: [],
    checksGuessed: false,
    reusedFrom: null,
    lanes: [],
    baseline: [],
    ranking: null,
    evidence: null,
    publication: null,
    setup: [],
    selected: null,
    status: null,
    trouble: null,
    firstAt: null,
    lastAt: null,
    revision: 0,
  };
}

/** Take one event in. One that was seen already changes nothing. */
export function apply(view: RunView, event: Event): void {
  if (event.seq <= view.lastSeq) return;
  const at = Date.parse(event.at);
  view.lastSeq = event.seq;
  view.lastKind = event.body.kind;
  view.firstAt ??= at;
  view.lastAt = at;
  view.revision += 1;
  if (event.variation_id == null) applyToRun(view, event.body, at);
  else applyToLane(laneOf(view, event.variation_id, at), event, at);
}

/** The lane of a variation. Numbers run from 1; those before it exist too, be it silently. */
function laneOf(view: RunView, number: number, at: Moment): Lane {
  while (view.lanes.length < number) view.lanes.push(emptyLane(view.lanes.length + 1, at));
  return view.lanes[number - 1] as Lane;
}

function applyToRun(view: RunView, body: Body, at: Moment): void {
  switch (body.kind) {
    case "run_started":
      startRun(view, body, at);
      break;
    case "check":
      view.baseline = [
        ...view.baseline.filter((each) => each.check !== body.result.check),
        body.result,
      ];
      break;
    case "setup":
      view.setup = [...view.setup, body.result];
      break;
    case "evidence":
      view.evidence = body.evidence;
      break;
    case "verdict":
      view.ranking = body.ranking;
      break;
    case "deselected":
      view.selected = null;
      view.publication = null;
      break;
    case "published":
      view.publication = body.publication;
      break;
    case "selected":
      view.selected = body;
      break;
    case "error":
      view.trouble = body.message;
      break;
    case "complete":
      view.status = body.status;
      break;
  }
}

/** Written again when the commit is known, and when an ended run goes on. */
function startRun(view: RunView, body: RunStarted, at: Moment): void {
  view.repo = body.repo_url;
  view.commit = body.commit;
  view.prompt = body.prompt;
  view.checks = body.checks;
  view.checksGuessed = body.checks_guessed ?? false;
  view.reusedFrom = body.reused_from ?? null;
  view.status = null;
  view.selected = null;
  laneOf(view, body.variations, at);
  for (const lane of view.lanes) {
    if (isWaiting(lane)) enter(lane, { word: body.commit ? "queued" : "cloning" }, at);
  }
}

function isWaiting(lane: Lane): boolean {
  return lane.doing.word === "queued" || lane.doing.word === "cloning";
}

function applyToLane(lane: Lane, event: Event, at: Moment): void {
  const { body, seq } = event;
  lane.revision += 1;
  switch (body.kind) {
    case "variation_added":
      lane.seat = body.seat;
      lane.composed = body.composed ?? [];
      break;
    case "cleared":
      lane.cleared = body.reason ?? "";
      break;
    case "variation_started":
      begin(lane, body, seq, at);
      break;
    case "agent_output":
      say(lane, body, seq, at);
      break;
    case "tool_call":
      use(lane, body, seq, at);
      break;
    case "tool_call_update":
      updateTool(lane, body, seq, at);
      break;
    case "plan":
      lane.plan = body.entries;
      break;
    case "usage":
      lane.usage = body.usage;
      lane.model = body.model ?? lane.model;
      break;
    case "judging":
      enter(lane, { word: "checking" }, at);
      break;
    case "check":
      check(lane, body, seq, at);
      break;
    case "variation_finished":
      lane.verdict = body.verdict;
      lane.isolation = body.isolation;
      end(lane, { word: "done" }, at);
      break;
    case "variation_failed":
      end(
        lane,
        { word: body.reason === "Cancelled" ? "stopped" : "failed", what: body.message },
        at,
      );
      note(
        lane,
        seq,
        at,
        "failure",
        body.reason === "Cancelled" ? "Stopped" : body.reason,
        body.message,
      );
      break;
    case "error":
      note(lane, seq, at, "trouble", body.reason, body.message);
      break;
  }
}
