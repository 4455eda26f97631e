/** The steps before the agents start, each with its state and times. */
import type { Preparation, RunView, Timestamp } from "../stream/run-view";

type StageState = "done" | "running" | "waiting" | "failed";

export interface Stage {
  readonly name: string;
  readonly state: StageState;
  /** What is known of it: the command that runs, or where the result is from. */
  readonly detail: string;
  /** The newest line that the command printed. */
  readonly line: string;
  readonly from: Timestamp | null;
  /** Null while it runs. */
  readonly to: Timestamp | null;
}

/** Whether no agent has started yet. */
export function isPreparing(view: RunView): boolean {
  return view.variations.every((variation) => variation.startedAt === null);
}

/** Return the steps in order; a run without set-up or checks has fewer. */
export function preparationStages(view: RunView): readonly Stage[] {
  const stages = [fetchStage(view), setupStage(view), checkStage(view)].filter(
    (stage) => stage !== null,
  );
  const first = stages.findIndex((stage) => stage.state === "running");
  if (view.status === null) return stages;
  // What had not ended when the run did is what it failed at.
  return stages.map((stage, index) =>
    index === first ? { ...stage, state: "failed" as const, to: view.endedAt } : stage,
  );
}

function fetchStage({ preparation, firstAt }: RunView): Stage {
  const isDone = preparation.fetchedAt !== null;
  return {
    name: "Fetch the repository",
    state: isDone ? "done" : "running",
    detail: "",
    line: "",
    from: firstAt,
    to: preparation.fetchedAt,
  };
}

function setupStage({ preparation }: RunView): Stage | null {
  const { setupCommands, setup, output, fetchedAt, setupAt } = preparation;
  if (setupCommands.length === 0) return null;
  const last = setup.at(-1);
  const isFailed = last !== undefined && last.result.exit_code !== 0;
  const isDone = last?.cached || setup.length >= setupCommands.length;
  return {
    name: "Set-up",
    state: isFailed ? "failed" : stateOf(isDone, fetchedAt),
    detail: last?.cached ? "kept from an earlier run" : nextCommand(preparation),
    line: output?.line ?? "",
    from: fetchedAt,
    to: isDone || isFailed ? setupAt : null,
  };
}

/** Return the set-up command that comes next, with its position; empty after the last one. */
function nextCommand({ setupCommands, setup }: Preparation): string {
  const next = setupCommands[setup.length];
  return next ? `${setup.length + 1} of ${setupCommands.length}: ${next.command}` : "";
}

function checkStage(view: RunView): Stage | null {
  const { checks, baseline, preparation } = view;
  if (checks.length === 0) return null;
  const setup = setupStage(view);
  const before = setup ?? fetchStage(view);
  const from = before.state === "done" ? before.to : null;
  const isDone = baseline.length >= checks.length || !isPreparing(view);
  const next = checks[baseline.length];
  return {
    name: "Checks on the base",
    state: stateOf(isDone, from),
    detail: isDone ? "" : (next?.command ?? ""),
    line: "",
    from,
    to: isDone ? preparation.checkedAt : null,
  };
}

function stateOf(isDone: boolean, from: Timestamp | null): StageState {
  if (isDone) return "done";
  return from === null ? "waiting" : "running";
}
