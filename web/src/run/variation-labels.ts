/** Labels of a variation: its activity, agent and check counts. */
import type { Usage } from "../api/schema.gen";
import type { Activity, ActivityState, VariationView } from "../stream/run-view";
import type { Tone } from "../ui/chip";
import { agentLabel } from "../ui/labels";
import { visibleLine } from "../ui/visible-text";

interface ActivityBadge {
  readonly glyph: string;
  readonly tone: Tone;
}

const BADGES: Readonly<Record<ActivityState, ActivityBadge>> = {
  queued: { glyph: "○", tone: "neutral" },
  cloning: { glyph: "◌", tone: "active" },
  launching: { glyph: "◌", tone: "active" },
  starting: { glyph: "◌", tone: "active" },
  thinking: { glyph: "●", tone: "active" },
  writing: { glyph: "●", tone: "active" },
  waiting: { glyph: "●", tone: "active" },
  working: { glyph: "●", tone: "active" },
  running: { glyph: "●", tone: "active" },
  reading: { glyph: "●", tone: "active" },
  editing: { glyph: "●", tone: "active" },
  searching: { glyph: "●", tone: "active" },
  checking: { glyph: "◐", tone: "active" },
  done: { glyph: "✓", tone: "good" },
  failed: { glyph: "✗", tone: "bad" },
  stopped: { glyph: "■", tone: "warning" },
};

export function activityBadge(activity: Activity): ActivityBadge {
  return BADGES[activity.state];
}

/** Describe an activity in full: `running pytest -q`. */
export function activityText(activity: Activity): string {
  if (activity.state === "waiting") return "waiting for the model";
  if (activity.state === "cloning") return "fetching the repository";
  if (activity.state === "starting") return "opening a sandbox";
  if (activity.state === "launching") return "starting the agent";
  return "detail" in activity && activity.detail !== ""
    ? `${activity.state} ${visibleLine(activity.detail)}`
    : activity.state;
}

export function hasEnded(variation: VariationView): boolean {
  return variation.endedAt !== null;
}

/** Return agent, model and effort on one line. */
export function variationAgent({ agent, model }: VariationView): string {
  return agentLabel({ ...agent, model: agent.model ?? model });
}

export function totalTokens(usage: Usage): number {
  return (usage.input_tokens ?? 0) + (usage.output_tokens ?? 0);
}

/** Count passing and failing checks, from the verdict or from the checks run so far. */
export function checkCounts(variation: VariationView): {
  readonly good: number;
  readonly bad: number;
  readonly final: boolean;
} {
  const rows = variation.verdict?.checks ?? [];
  if (variation.verdict) {
    const good = rows.filter(
      (row) => row.change === "fixed" || row.change === "still_passing",
    ).length;
    return { good, bad: rows.length - good, final: true };
  }
  const good = variation.checks.filter((each) => each.exit_code === 0).length;
  return { good, bad: variation.checks.length - good, final: false };
}
