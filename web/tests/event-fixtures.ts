/** Builders of events for tests. */
import type { Event } from "../src/api/schema.gen";
import type { EventBody } from "../src/stream/run-view";

const BEGUN = Date.parse("2026-11-25T10:00:00Z");

/**
 * Return a log of `[variation, body]` pairs with dense seqs, a second apart. Variation 0 is the run.
 */
export function log(...entries: readonly (readonly [number, EventBody])[]): Event[] {
  return entries.map(([variation, body], index) => ({
    seq: index + 1,
    run_id: "run",
    variation_id: variation === 0 ? null : variation,
    at: new Date(BEGUN + index * 1000).toISOString(),
    body,
  }));
}

export const STARTED: EventBody = {
  kind: "run_started",
  repo_url: "https://github.com/user/repo",
  commit: "4672a81c561e1b716f54090c3ef641043b3a3c5b",
  prompt: "Make addition add",
  variations: 2,
  checks: [{ command: "make test" }],
};

export function started(attempt = 1, follow_up: string | null = null): EventBody {
  return { kind: "variation_started", spec: { agent: "builtin" }, attempt, follow_up };
}

export function says(
  text: string,
  message_id: string | null = "m1",
  channel: "message" | "thought" = "message",
): EventBody {
  return { kind: "agent_output", channel, text, message_id };
}

export function calls(id: string, title = "ls", tool_kind = "execute"): EventBody {
  return { kind: "tool_call", tool_call_id: id, title, tool_kind, status: "in_progress" };
}

export function returns(
  id: string,
  text: string,
  status: "completed" | "failed" = "completed",
): EventBody {
  return { kind: "tool_call_update", tool_call_id: id, status, content: [{ type: "text", text }] };
}
