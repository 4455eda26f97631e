import type { RunSpec } from "../api/schema.gen";
import { NOTHING_MORE } from "./more-draft";
import { newAgentDraft, newKey, type RunDraft } from "./run-draft";

/** Return a draft that repeats a run's submission. */
export function draftOf(spec: RunSpec): RunDraft {
  const { budget, comparison, checks } = spec;
  const lines = (all: readonly string[] | null) => all?.join("\n") ?? null;
  const text = (value: number | null | undefined) => value?.toString() ?? "";
  const seats = spec.lineup ?? Array.from({ length: spec.variations }, () => spec.agent_config);
  return {
    ...NOTHING_MORE,
    repo: spec.repo_url,
    ref: spec.ref ?? "",
    includeUncommitted: spec.include_uncommitted,
    prompt: spec.prompt,
    lineup: seats.map((seat) => newAgentDraft(seat)),
    checks: checks?.map(({ command }) => ({ key: newKey(), command })) ?? null,
    keepGoing: spec.keep_going,
    budget: text(budget.run_usd),
    sandbox: spec.sandbox === "bubblewrap" || spec.sandbox === "dagger" ? spec.sandbox : "",
    path: spec.path,
    includeIgnored: spec.include_ignored,
    setup: lines(spec.setup?.map(({ command }) => command) ?? null),
    allowedHosts: spec.allowed_hosts.join(" "),
    protected: lines(spec.protected),
    runTokens: text(budget.run_tokens),
    variationTokens: text(budget.variation_tokens),
    variationBudget: text(budget.variation_usd),
    crossTests: comparison.cross_tests ?? true,
    reruns: text(comparison.reruns),
    fresh: true,
  };
}
