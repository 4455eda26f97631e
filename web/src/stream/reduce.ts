/**
 * Events → what is shown. Pure in its result: the same events in the same order give the same view, however they were
 * split, doubled or resumed (tests/reduce.test.ts). It changes the view in place, because a copy of ten thousand
 * entries for each event would be the end of every frame.
 */
import type {
  AgentOutput,
  CheckRun,
  Event,
  ToolCall,
  ToolCallUpdate,
  VariationStarted,
} from "../api/schema.gen";
import type { Body, Doing, Entry, Lane, Moment, NoteEntry, RunView, TextEntry, ToolEntry } from "./types";

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

function emptyLane(number: number, at: Moment): Lane {
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
      view.repo = body.repo_url;
      view.commit = body.commit;
      view.prompt = body.prompt;
      view.checks = body.checks;
      view.checksGuessed = body.checks_guessed ?? false;
      view.reusedFrom = body.reused_from ?? null;
      view.status = null;
      view.selected = null;
      laneOf(view, body.variations, at);
      for (const lane of view.lanes)
        if (isWaiting(lane)) enter(lane, { word: body.commit ? "queued" : "cloning" }, at);
      break;
    case "check":
      view.baseline = [...view.baseline.filter((each) => each.check !== body.result.check), body.result];
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
    case "check":
      check(lane, body, seq, at);
      break;
    case "variation_finished":
      lane.verdict = body.verdict;
      lane.isolation = body.isolation;
      end(lane, { word: "done" }, at);
      break;
    case "variation_failed":
      end(lane, { word: body.reason === "Cancelled" ? "stopped" : "failed", what: body.message }, at);
      note(lane, seq, at, "failure", body.reason === "Cancelled" ? "Stopped" : body.reason, body.message);
      break;
    case "error":
      note(lane, seq, at, "trouble", body.reason, body.message);
      break;
  }
}

/** A turn begins. The same turn again is a new attempt: what the earlier one said does not count. */
function begin(lane: Lane, body: VariationStarted, seq: number, at: Moment): void {
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
    note(lane, seq, at, "plain", "Begun anew", `attempt ${body.attempt}: the one before was cut off`);
  enter(lane, { word: "starting" }, at);
}

function end(lane: Lane, doing: Doing, at: Moment): void {
  lane.endedAt = at;
  enter(lane, doing, at);
}

function enter(lane: Lane, doing: Doing, at: Moment): void {
  const isSame = lane.doing.word === doing.word && whatOf(lane.doing) === whatOf(doing);
  if (!isSame) lane.since = at;
  lane.doing = doing;
}

function whatOf(doing: Doing): string {
  return "what" in doing ? doing.what : "";
}

/** Pieces with the same message id belong together; without one, pieces that follow each other do. */
function say(lane: Lane, body: AgentOutput, seq: number, at: Moment): void {
  enter(lane, { word: body.channel === "thought" ? "thinking" : "writing" }, at);
  const found = body.message_id ? lane.byId.get(textId(lane, body)) : lastText(lane, body.channel);
  if (found?.type === "text") {
    found.text += body.text;
    touch(found, at);
    return;
  }
  const id = body.message_id ? textId(lane, body) : `s${seq}`;
  add(lane, { type: "text", id, at, until: at, revision: 0, channel: body.channel, text: body.text });
}

function textId(lane: Lane, body: AgentOutput): string {
  return `${body.channel}-${lane.turns}-${body.message_id}`;
}

function lastText(lane: Lane, channel: "message" | "thought"): TextEntry | undefined {
  const last = lane.entries.at(-1);
  const isOpen = last?.type === "text" && last.channel === channel && last.id.startsWith("s");
  return isOpen && lane.entries.length > lane.turnStart ? last : undefined;
}

function add(lane: Lane, entry: Entry): void {
  lane.entries.push(entry);
  lane.byId.set(entry.id, entry);
}

function touch(entry: Entry, at: Moment): void {
  entry.until = at;
  entry.revision += 1;
}

function use(lane: Lane, body: ToolCall, seq: number, at: Moment): void {
  if (findTool(lane, body.tool_call_id)) {
    updateTool(lane, { ...body, kind: "tool_call_update" }, seq, at);
    return;
  }
  lane.calls += 1;
  const entry: ToolEntry = {
    type: "tool",
    id: toolId(lane, body.tool_call_id),
    at,
    until: at,
    revision: 0,
    title: body.title,
    toolKind: body.tool_kind ?? "other",
    status: body.status ?? "pending",
    content: body.content ?? [],
    paths: body.paths ?? [],
    input: body.raw_input,
    output: null,
  };
  add(lane, entry);
  showTool(lane, entry, at);
}

function toolId(lane: Lane, id: string): string {
  return `tool-${lane.turns}-${id}`;
}

function findTool(lane: Lane, id: string): ToolEntry | undefined {
  const found = lane.byId.get(toolId(lane, id));
  return found?.type === "tool" ? found : undefined;
}

/** A field that is null is unchanged; content replaces what was there. */
function updateTool(lane: Lane, body: ToolCallUpdate, seq: number, at: Moment): void {
  const entry = findTool(lane, body.tool_call_id);
  if (!entry) {
    // News of a call that was never announced: an agent may do that.
    const { tool_call_id, title } = body;
    use(lane, { kind: "tool_call", tool_call_id, title: title ?? "tool" }, seq, at);
    updateTool(lane, body, seq, at);
    return;
  }
  const { title, tool_kind, status, content, paths, raw_input, raw_output } = body;
  Object.assign(
    entry,
    known({ title, toolKind: tool_kind, status, content, paths, input: raw_input, output: raw_output }),
  );
  touch(entry, at);
  showTool(lane, entry, at);
}

function known(fields: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value != null));
}

const VERBS: Readonly<Record<string, "running" | "reading" | "editing" | "searching">> = {
  execute: "running", read: "reading", edit: "editing", delete: "editing", move: "editing", search: "searching",
}; // biome-ignore format: a table

function showTool(lane: Lane, entry: ToolEntry, at: Moment): void {
  const isOver = entry.status === "completed" || entry.status === "failed";
  if (isOver) recordTouched(lane, entry);
  // Between the end of a tool and the model's next word, the lane waits for the model.
  const doing: Doing = isOver
    ? { word: "waiting" }
    : { word: VERBS[entry.toolKind] ?? "working", what: entry.title };
  enter(lane, doing, at);
}

/** A path as the repository knows it: agents name files in either way. */
function inTree(path: string): string {
  return path.replace(/^\/workspace\//, "").replace(/^\.\//, "");
}

function recordTouched(lane: Lane, entry: ToolEntry): void {
  if (entry.status !== "completed") return;
  for (const content of entry.content) if (content.type === "diff") lane.touched.add(inTree(content.path));
  if (VERBS[entry.toolKind] === "editing") for (const path of entry.paths) lane.touched.add(inTree(path));
}

function check(lane: Lane, body: CheckRun, seq: number, at: Moment): void {
  enter(lane, { word: "checking" }, at);
  lane.checks = [...lane.checks, body.result];
  add(lane, { type: "check", id: `c${seq}`, at, until: at, revision: 0, result: body.result });
}

function note(
  lane: Lane,
  seq: number,
  at: Moment,
  tone: NoteEntry["tone"],
  title: string,
  text: string,
): void {
  add(lane, { type: "note", id: `n${seq}`, at, until: at, revision: 0, tone, title, text });
}
