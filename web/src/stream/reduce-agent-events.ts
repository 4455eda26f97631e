/** Reduce an agent's output and tool calls into the transcript of a variation. */
import type { AgentOutput, ToolCall, ToolCallUpdate } from "../api/schema.gen";
import { addEntry, markUpdated, setActivity } from "./reduce-turn";
import type { Activity, TextEntry, Timestamp, ToolCallEntry, VariationView } from "./run-view";

/**
 * Append output to its entry. Chunks with the same message id form one entry; without an id,
 * consecutive chunks of one channel do.
 */
export function addOutput(
  variation: VariationView,
  body: AgentOutput,
  seq: number,
  at: Timestamp,
): void {
  setActivity(variation, { state: body.channel === "thought" ? "thinking" : "writing" }, at);
  const found = body.message_id
    ? variation.entriesById.get(textEntryId(variation, body))
    : openText(variation, body.channel);
  if (found?.type === "text") {
    found.text += body.text;
    markUpdated(found, at);
    return;
  }
  const id = body.message_id ? textEntryId(variation, body) : `s${seq}`;
  addEntry(variation, {
    type: "text",
    id,
    at,
    updatedAt: at,
    revision: 0,
    channel: body.channel,
    text: body.text,
  });
}

function textEntryId(variation: VariationView, body: AgentOutput): string {
  return `${body.channel}-${variation.turns}-${body.message_id}`;
}

function openText(variation: VariationView, channel: "message" | "thought"): TextEntry | undefined {
  const last = variation.entries.at(-1);
  const isOpen = last?.type === "text" && last.channel === channel && last.id.startsWith("s");
  return isOpen && variation.entries.length > variation.turnStart ? last : undefined;
}

export function addToolCall(
  variation: VariationView,
  body: ToolCall,
  seq: number,
  at: Timestamp,
): void {
  if (findToolCall(variation, body.tool_call_id)) {
    updateToolCall(variation, { ...body, kind: "tool_call_update" }, seq, at);
    return;
  }
  const entry: ToolCallEntry = {
    type: "tool",
    id: toolEntryId(variation, body.tool_call_id),
    at,
    updatedAt: at,
    revision: 0,
    title: body.title,
    toolKind: body.tool_kind ?? "other",
    status: body.status ?? "pending",
    content: body.content ?? [],
    paths: body.paths ?? [],
    input: body.raw_input,
    output: null,
  };
  addEntry(variation, entry);
  showActivity(variation, entry, at);
}

function toolEntryId(variation: VariationView, id: string): string {
  return `tool-${variation.turns}-${id}`;
}

function findToolCall(variation: VariationView, id: string): ToolCallEntry | undefined {
  const found = variation.entriesById.get(toolEntryId(variation, id));
  return found?.type === "tool" ? found : undefined;
}

/**
 * Update a tool call. A null field leaves the value unchanged; `content` replaces the former
 * content.
 */
export function updateToolCall(
  variation: VariationView,
  body: ToolCallUpdate,
  seq: number,
  at: Timestamp,
): void {
  const entry = findToolCall(variation, body.tool_call_id);
  if (!entry) {
    // Agents may send an update for a call that they never announced: add the call first.
    const { tool_call_id, title } = body;
    addToolCall(variation, { kind: "tool_call", tool_call_id, title: title ?? "tool" }, seq, at);
    updateToolCall(variation, body, seq, at);
    return;
  }
  const { title, tool_kind, status, content, paths, raw_input, raw_output } = body;
  Object.assign(
    entry,
    withoutNulls({
      title,
      toolKind: tool_kind,
      status,
      content,
      paths,
      input: raw_input,
      output: raw_output,
    }),
  );
  markUpdated(entry, at);
  showActivity(variation, entry, at);
}

function withoutNulls(fields: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value != null));
}

const TOOL_ACTIVITIES: Readonly<Record<string, "running" | "reading" | "editing" | "searching">> = {
  execute: "running",
  read: "reading",
  edit: "editing",
  delete: "editing",
  move: "editing",
  search: "searching",
};

function showActivity(variation: VariationView, entry: ToolCallEntry, at: Timestamp): void {
  const isOver = entry.status === "completed" || entry.status === "failed";
  if (isOver) recordChangedFiles(variation, entry);
  // After a tool has ended and until the model's next output, the agent waits for the model.
  const activity: Activity = isOver
    ? { state: "waiting" }
    : { state: TOOL_ACTIVITIES[entry.toolKind] ?? "working", detail: entry.title };
  setActivity(variation, activity, at);
}

/** Return a path relative to the repository. Agents name files by absolute or relative paths. */
function repositoryPath(path: string): string {
  return path.replace(/^\/workspace\//, "").replace(/^\.\//, "");
}

function recordChangedFiles(variation: VariationView, entry: ToolCallEntry): void {
  if (entry.status !== "completed") return;
  for (const content of entry.content)
    if (content.type === "diff") variation.changedFiles.add(repositoryPath(content.path));
  if (TOOL_ACTIVITIES[entry.toolKind] === "editing")
    for (const path of entry.paths) variation.changedFiles.add(repositoryPath(path));
}
