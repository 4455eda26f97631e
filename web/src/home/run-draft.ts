/** Draft of a new run, its validation, and its conversion to what the API takes. */
import type { AgentInfo, AgentSpec, ServerInfo, Submission } from "../api/schema.gen";
import { budgetOf, type MoreDraft, moreOf, NOTHING_MORE, validateMore } from "./more-draft";
import { parseDollars } from "./parse-fields";

export type Effort = NonNullable<AgentSpec["effort"]>;
export const EFFORTS: readonly Effort[] = ["low", "medium", "high", "xhigh", "max"];

export interface AgentDraft {
  /** List key, stable while the lineup is edited. */
  readonly key: number;
  readonly agent: string;
  readonly model: string;
  readonly effort: Effort | "";
  readonly instructions: string;
  readonly temperature: string;
  readonly maxTurns: string;
}

interface CheckDraft {
  readonly key: number;
  readonly command: string;
}

export interface RunDraft extends MoreDraft {
  readonly repo: string;
  readonly ref: string;
  /** Begin with the files of the folder as they are, committed or not. */
  readonly includeUncommitted: boolean;
  readonly prompt: string;
  readonly lineup: readonly AgentDraft[];
  /** Null means: detect the checks from the repository. */
  readonly checks: readonly CheckDraft[] | null;
  /** Go on without a check that cannot run on the base. */
  readonly keepGoing: boolean;
  readonly budget: string;
  readonly sandbox: "" | "bubblewrap" | "dagger";
}

/** Replace some fields of the draft. */
export type DraftChange = (changed: Partial<RunDraft>) => void;

let lastKey = 0;

export function newKey(): number {
  lastKey += 1;
  return lastKey;
}

export function newAgentDraft(like: AgentSpec = {}): AgentDraft {
  const { agent = "builtin", model, effort, instructions = "", temperature, max_turns } = like;
  return {
    key: newKey(),
    agent,
    model: model ?? "",
    effort: effort ?? "",
    instructions,
    temperature: temperature?.toString() ?? "",
    maxTurns: max_turns?.toString() ?? "",
  };
}

export function emptyDraft(server: ServerInfo): RunDraft {
  const recent = server.recent.find((each) => each.repo_url !== server.demo_repo);
  return {
    repo: recent?.repo_url ?? "",
    ref: recent?.ref ?? "",
    includeUncommitted: false,
    prompt: "",
    lineup: Array.from({ length: Math.min(3, server.max_variations) }, () => newAgentDraft()),
    checks: null,
    keepGoing: false,
    budget: "",
    sandbox: "",
    ...NOTHING_MORE,
  };
}

/** Resize the lineup; new agents copy the last one. */
export function resizeLineup(lineup: readonly AgentDraft[], count: number): readonly AgentDraft[] {
  const last = lineup.at(-1) ?? newAgentDraft();
  const more = Array.from({ length: Math.max(0, count - lineup.length) }, () => ({
    ...last,
    key: newKey(),
  }));
  return [...lineup, ...more].slice(0, count);
}

/** Return the errors by field, empty when there are none. The server validates again. */
export function validateDraft(
  draft: RunDraft,
  server: ServerInfo,
): Readonly<Record<string, string>> {
  const found: Record<string, string> = {};
  const length = draft.prompt.trim().length;
  if (draft.repo.trim() === "") found.repo_url = "Enter a repository.";
  if (length < server.min_prompt_length)
    found.prompt = `Enter at least ${server.min_prompt_length} characters.`;
  if (length > server.max_prompt_length)
    found.prompt = `Enter at most ${server.max_prompt_length} characters.`;
  if (parseDollars(draft.budget) === undefined)
    found.budget = "Enter an amount in dollars, such as 2.50.";
  if (draft.checks?.some((check) => check.command.trim() === ""))
    found.checks = "Enter a command for each check, or remove the check.";
  return { ...found, ...validateMore(draft) };
}

export function toAgentSpec(agent: AgentDraft): AgentSpec {
  return {
    agent: agent.agent,
    model: agent.model.trim() || null,
    effort: agent.effort || null,
    instructions: agent.instructions.trim(),
    ...(agent.temperature.trim() === "" ? {} : { temperature: Number(agent.temperature) }),
    ...(agent.maxTurns.trim() === "" ? {} : { max_turns: Number(agent.maxTurns) }),
  };
}

/** Whether the draft's repository is a folder of this machine, at what is checked out there. */
export function hasWorkingTree(draft: RunDraft): boolean {
  return draft.repo.trim().startsWith("/") && draft.ref.trim() === "";
}

export function toRunSpec(draft: RunDraft): Submission {
  return {
    repo_url: draft.repo.trim(),
    ref: draft.ref.trim() || null,
    include_uncommitted: draft.includeUncommitted && hasWorkingTree(draft),
    prompt: draft.prompt.trim(),
    variations: draft.lineup.length,
    lineup: draft.lineup.map(toAgentSpec),
    checks: draft.checks?.map((check) => ({ command: check.command.trim() })) ?? null,
    keep_going: draft.keepGoing,
    sandbox: draft.sandbox || null,
    budget: budgetOf(draft),
    ...moreOf(draft),
    ...(hasWorkingTree(draft) &&
      draft.includeIgnored.length > 0 && { include_ignored: draft.includeIgnored }),
  };
}

/** Describe the cost: the budget if there is one, else an estimate from the latest runs. */
export function costEstimate(draft: RunDraft, server: ServerInfo): string {
  const usd = parseDollars(draft.budget);
  if (usd) return `At most $${usd.toFixed(2)} for all variations, enforced before each model call.`;
  const known = server.latest_costs;
  if (known.length === 0) return "No budget. No cost history yet.";
  const all = (one: number) => `$${(one * draft.lineup.length).toFixed(2)}`;
  const low = all(Math.min(...known));
  const high = all(Math.max(...known));
  const range = low === high ? `about ${high}` : `${low} to ${high}`;
  return `No budget. Recent runs suggest ${range}, without an upper limit.`;
}

export function defaultModel(agent: AgentDraft, catalog: readonly AgentInfo[]): string {
  return (
    agent.model ||
    (catalog.find((each) => each.name === agent.agent)?.models.default ?? "the agent's default")
  );
}
