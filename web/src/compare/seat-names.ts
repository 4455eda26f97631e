/** Short names of a run's variations: what tells one from the others, else its number. */
import type { AgentSpec, Variation } from "../api/schema.gen";
import { visibleLine } from "../ui/visible-text";
import { composedFrom } from "./variation-facts";

const MAX_LENGTH = 48;

/** Return the parts of a specification that may differ, as text. */
const PARTS: readonly ((spec: AgentSpec) => string)[] = [
  (spec) => spec.agent ?? "builtin",
  (spec) => spec.model ?? "",
  (spec) => spec.effort ?? "",
  (spec) => spec.instructions ?? "",
];

/** Return the names by number: `claude-opus-5`, `Write the test first.`, `Attempt 2`. */
export function seatNames(variations: readonly Variation[]): ReadonlyMap<number, string> {
  const agents = variations.filter((each) => each.composed.length === 0);
  const telling = PARTS.filter((part) => new Set(agents.map(({ spec }) => part(spec))).size > 1);
  const named = new Map(
    variations.map((each) => [
      each.number,
      each.composed.length > 0
        ? `composed from ${composedFrom(each)}`
        : telling
            .map((part) => part(each.spec))
            .filter(Boolean)
            .join(" · "),
    ]),
  );
  const uses = [...named.values()];
  return new Map(
    [...named].map(([number, name]) => [number, shortName(number, name, uses)] as const),
  );
}

function shortName(number: number, name: string, uses: readonly string[]): string {
  if (name === "") return `Attempt ${number}`;
  const line = visibleLine(name);
  const short = line.length > MAX_LENGTH ? `${line.slice(0, MAX_LENGTH - 1)}…` : line;
  const isShared = uses.filter((each) => each === name).length > 1;
  return isShared ? `${short} · attempt ${number}` : short;
}
