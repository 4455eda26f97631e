/** What an agent says and does: pieces of text, tool calls and their news. Part of `reduce.ts`. */
import type { AgentOutput, ToolCall, ToolCallUpdate } from "../api/schema.gen";
import { add, enter, touch } from "./lane";
import type { Doing, Lane, Moment, TextEntry, ToolEntry } from "./types";

/** Pieces with the same message id belong together; without one, pieces that follow each other do. */
export function say(lane: Lane, body: AgentOutput, seq: number, at: Moment): void {
  enter(lane, { word: body.channel === "thought" ? "thinking" : "writing" }, at);
  const found = body.message_id ? lane.byId.get(textId(lane, body)) : lastText(lane, body.channel);
  if (found?.type === "text") {
    found.text += body.text;
    touch(found, at);
    return;
  }
  const id = body.message_id ? textId(lane, body) : `s${seq}`;
  add(lane, {
    type: "text",
    id,
    at,
    until: at,
    revision: 0,
    channel: body.channel,
    text: body.text,
  });
}

function textId(lane: Lane, body: AgentOutput): string {
  return `${body.channel}-${lane.turns}-${body.message_id}`;
}

function lastText(lane: Lane, channel: "message" | "thought"): TextEntry | undefined {
  const last = lane.entries.at(-1);
  const isOpen = last?.type === "text" && last.channel === channel && last.id.startsWith("s");
  return isOpen && lane.entries.length > lane.turnStart ? last : undefined;
}

export function use(lane: Lane, body: ToolCall, seq: number, at: Moment): void {
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
export function updateTool(lane: Lane, body: ToolCallUpdate, seq: number, at: Moment): void {
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
    known({
      title,
      toolKind: tool_kind,
      status,
      content,
      paths,
      input: raw_input,
      output: raw_output,
    }),
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
  for (const content of entry.content)
    if (content.type === "diff") lane.touched.add(inTree(content.path));
  if (VERBS[entry.toolKind] === "editing")
    for (const path of entry.paths) lane.touched.add(inTree(path));
}
