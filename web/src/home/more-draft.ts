/** The fields of a new run behind "More". */
import type { Budget, Submission } from "../api/schema.gen";
import { parseCount, parseDollars, parseEntries } from "./parse-fields";

export interface MoreDraft {
  /** Folder of the repository that the run is about. */
  readonly path: string;
  /** Ignored files that sandboxes see. */
  readonly includeIgnored: readonly string[];
  /** Set-up commands, one a line. Null means: detect them from the repository. */
  readonly setup: string | null;
  /** Further hosts that set-up may reach, separated by spaces. */
  readonly allowedHosts: string;
  /** Globs, one a line. Null means: those of the repository. */
  readonly protected: string | null;
  readonly runTokens: string;
  readonly variationTokens: string;
  readonly variationBudget: string;
  readonly crossTests: boolean;
  readonly reruns: string;
  /** Run the agents even if the same submission has been decided before. */
  readonly fresh: boolean;
}

/** The fields behind "More", at their defaults. */
export const NOTHING_MORE: MoreDraft = {
  path: "",
  includeIgnored: [],
  setup: null,
  allowedHosts: "",
  protected: null,
  runTokens: "",
  variationTokens: "",
  variationBudget: "",
  crossTests: true,
  reruns: "",
  fresh: false,
};

/** Return how many of the fields behind "More" differ from their defaults. */
export function countMore(draft: MoreDraft): number {
  return Object.entries(NOTHING_MORE).filter(
    ([name, value]) => JSON.stringify(draft[name as keyof MoreDraft]) !== JSON.stringify(value),
  ).length;
}

const COUNT_FIELDS = ["runTokens", "variationTokens", "reruns"] as const;

/** Return the errors of these fields by field. */
export function validateMore(draft: MoreDraft): Readonly<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const name of COUNT_FIELDS) {
    if (parseCount(draft[name]) === undefined) found[name] = "Enter a whole number.";
  }
  if (parseDollars(draft.variationBudget) === undefined)
    found.variationBudget = "Enter an amount in dollars, such as 2.50.";
  return found;
}

/** Return the limits that are set. */
export function budgetOf(draft: MoreDraft & { readonly budget: string }): Budget {
  const limits = {
    run_usd: parseDollars(draft.budget),
    variation_usd: parseDollars(draft.variationBudget),
    run_tokens: parseCount(draft.runTokens),
    variation_tokens: parseCount(draft.variationTokens),
  };
  const set = Object.entries(limits).filter(([, value]) => value != null);
  return Object.fromEntries(set) as Budget;
}

/** Return the fields behind "More" that differ from their defaults. */
export function moreOf(draft: MoreDraft): Partial<Submission> {
  const setup = parseEntries(draft.setup, /\n/);
  const guarded = parseEntries(draft.protected, /\n/);
  const hosts = parseEntries(draft.allowedHosts, /[\s,]+/) ?? [];
  const reruns = parseCount(draft.reruns);
  return {
    ...(draft.path.trim() && { path: draft.path.trim() }),
    ...(setup && { setup: setup.map((command) => ({ command })) }),
    ...(hosts.length > 0 && { allowed_hosts: hosts }),
    ...(guarded && { protected: guarded }),
    ...((!draft.crossTests || reruns != null) && {
      comparison: { cross_tests: draft.crossTests, ...(reruns != null && { reruns }) },
    }),
    ...(draft.fresh && { fresh: true }),
  };
}
