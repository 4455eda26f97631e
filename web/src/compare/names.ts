/** Variations and their figures, in words. Pure. */
import type { AgentSpec, Confidence, Run, Variation } from "../api/schema.gen";
import { sentence } from "../run/words";
import type { Lane } from "../stream/types";
import type { Tone } from "../ui/chip";
import { line } from "../ui/plain";

export const COMPOSED = "composed";

/** Agent, model, effort: the seat in a line. */
export function seatName({ agent = "builtin", model, effort }: AgentSpec): string {
  return line([agent, model, effort].filter(Boolean).join(" · "));
}

/** What it was put together from: `1 + 3`; empty for an agent's own work. */
export function sources(variation: Variation): string {
  return [...new Set(variation.composed.map((part) => part.variation_id))]
    .toSorted((a, b) => a - b)
    .join(" + ");
}

export function tokens({ usage }: Variation): number {
  return (usage.input_tokens ?? 0) + (usage.output_tokens ?? 0);
}

/** Milliseconds that it took; null while it has not ended. */
export function timeTaken({ started_at, finished_at }: Variation): number | null {
  return started_at && finished_at ? Date.parse(finished_at) - Date.parse(started_at) : null;
}

/** Why a variation has nothing to compare; null when it has. */
export function whyEmpty(variation: Variation, lane?: Lane): string | null {
  const isAtWork = variation.status === "queued" || variation.status === "running";
  if (isAtWork) return lane ? `at work: ${sentence(lane.doing)}` : "It is still at work.";
  if (variation.verdict) return null;
  return variation.failure ? line(variation.failure.message) : "It was stopped.";
}

export const CONFIDENCE: Readonly<Record<Confidence, readonly [Tone, string, string]>> = {
  high: ["good", "✓", "high confidence"],
  medium: ["warn", "≈", "medium confidence"],
  open: ["plain", "?", "open"],
};

/** Whether a person may choose now. An imported run is only to be looked at. */
export function isOpen(run: Run): boolean {
  return run.status === "finished" && run.imported_at === null;
}
