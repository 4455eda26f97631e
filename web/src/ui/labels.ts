/** Labels of agents and confidence, shared by several views. */
import type { AgentSpec, Confidence } from "../api/schema.gen";
import type { Tone } from "./chip";
import { visibleLine } from "./visible-text";

/** Return agent, model and effort on one line. */
export function agentLabel({ agent = "builtin", model, effort }: AgentSpec): string {
  return visibleLine([agent, model, effort].filter(Boolean).join(" · "));
}

/** Tone, glyph and text of each confidence. */
export const CONFIDENCE_CHIPS: Readonly<Record<Confidence, readonly [Tone, string, string]>> = {
  high: ["good", "✓", "high confidence"],
  medium: ["warning", "≈", "medium confidence"],
  open: ["neutral", "?", "cannot tell"],
};
