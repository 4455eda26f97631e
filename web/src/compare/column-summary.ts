/** The state of a variation in one glyph and a few words, for the overview of all variations. */
import type { RunDetails } from "../api/schema.gen";
import type { Column } from "./columns";
import { ruleChecklist } from "./rule-checklist";
import { tiedForFirst } from "./tie";

export interface ColumnSummary {
  readonly glyph: string;
  readonly words: string;
}

export function columnSummary({ number, variation }: Column, details: RunDetails): ColumnSummary {
  if (details.winner === number) return { glyph: "★", words: "chosen" };
  if (!variation.verdict) return { glyph: "–", words: "nothing to compare" };
  const standing = details.ranking?.standings?.find((each) => each.variation_id === number);
  if (standing?.flagged) return { glyph: "⚑", words: standing.gate ?? "flagged" };
  if (standing?.gate) return { glyph: "✗", words: standing.gate };
  const isFirst = details.ranking?.recommended === number || tiedForFirst(details).includes(number);
  const facts = ruleChecklist(details, number).map((item) => item.text);
  return { glyph: isFirst ? "✓" : "·", words: facts.join(", ") };
}
