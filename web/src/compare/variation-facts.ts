/** Facts about stored variations, for display. */
import type { Run, Variation } from "../api/schema.gen";
import { activityText } from "../run/variation-labels";
import type { VariationView } from "../stream/run-view";
import { visibleLine } from "../ui/visible-text";

/** Return the sources of a composition as `1 + 3`; empty for an agent's own work. */
export function composedFrom(variation: Variation): string {
  return [...new Set(variation.composed.map((part) => part.variation_id))]
    .toSorted((a, b) => a - b)
    .join(" + ");
}

/** Return the duration in milliseconds; null until the variation has ended. */
export function variationDuration({ started_at, finished_at }: Variation): number | null {
  return started_at && finished_at ? Date.parse(finished_at) - Date.parse(started_at) : null;
}

/** Return why a variation has nothing to compare; null when it has. */
export function missingReason(variation: Variation, live?: VariationView): string | null {
  const isAtWork = variation.status === "queued" || variation.status === "running";
  if (isAtWork) return live ? `In progress: ${activityText(live.activity)}` : "Still running.";
  if (variation.verdict) return null;
  return variation.failure ? visibleLine(variation.failure.message) : "Stopped.";
}

/** Whether a winner can be chosen. An imported run is read-only. */
export function canChoose(run: Run): boolean {
  return run.status === "finished" && run.imported_at === null;
}
