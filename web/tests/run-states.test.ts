import { describe, expect, test } from "vitest";
import type { CheckResult, RunDetails } from "../src/api/schema.gen";
import { parseCount } from "../src/home/parse-fields";
import { draftOf } from "../src/home/repeat-draft";
import { toRunSpec } from "../src/home/run-draft";
import { preparationStages } from "../src/run/preparation-stages";
import { currentView } from "../src/stream/current-view";
import { applyEvent, emptyRunView } from "../src/stream/reduce-run";
import { Replay } from "../src/stream/replay";
import type { EventBody, RunView } from "../src/stream/run-view";
import { log, STARTED, says, started } from "./event-fixtures";
import { run, variation } from "./run-fixtures";

type Entries = readonly (readonly [number, EventBody])[];

function view(...entries: Entries): RunView {
  const result = emptyRunView();
  for (const event of log(...entries)) applyEvent(result, event);
  return result;
}

const COMPLETE: EventBody = { kind: "complete", status: "finished" };
const CHOSEN: EventBody = { kind: "selected", winning_variation_id: 1 };

describe("a run whose history is not read yet", () => {
  const ended = run([variation(1), variation(2, null, { status: "failed" })], {
    created_at: "2026-11-25T10:00:00Z",
    finished_at: "2026-11-25T10:01:11Z",
    spec: { prompt: "Make addition add", repo_url: "r", path: "" } as RunDetails["spec"],
  });

  test("is shown as the details tell: status, times, results", () => {
    const shown = currentView(view([0, STARTED], [1, started()], [1, says("Hel")]), ended);
    expect(shown.status).toBe("finished");
    expect((shown.endedAt ?? 0) - (shown.firstAt ?? 0)).toBe(71_000);
    expect(shown.variations.map(({ activity }) => activity.state)).toEqual(["done", "failed"]);
    expect(shown.variations[0]?.entries).toHaveLength(1);
  });

  test("has a prompt and lanes before the first event", () => {
    const shown = currentView(emptyRunView(), ended);
    expect([shown.prompt, shown.variations.length]).toEqual(["Make addition add", 2]);
  });

  test("is shown as its events tell once they are ahead", () => {
    const reopened = view([0, STARTED], ...Array.from({ length: 90 }, () => [0, STARTED] as const));
    expect(currentView(reopened, ended)).toBe(reopened);
    expect(currentView(reopened, undefined)).toBe(reopened);
  });
});

describe("the end of the work", () => {
  const entries: Entries = [
    [0, STARTED],
    [1, started()],
    [0, COMPLETE],
    [0, CHOSEN],
    [0, COMPLETE],
  ];

  test("is not moved by a later decision, which is told beside it", () => {
    const shown = view(...entries);
    expect((shown.endedAt ?? 0) - (shown.firstAt ?? 0)).toBe(2_000);
    expect(shown.decisions.map(({ kind }) => kind)).toEqual(["selected"]);
  });

  test("ends the replay, which then shows the decision too", () => {
    const replay = new Replay(log(...entries));
    expect(replay.length).toBe(2_000);
    expect(replay.seek(1_900).selected).toBeNull();
    expect(replay.seek(2_000).selected).toMatchObject({ winning_variation_id: 1 });
  });
});

describe("the steps before the agents", () => {
  const begun: EventBody = { ...STARTED, setup: [{ command: "npm ci" }] } as EventBody;
  const result = (exit_code: number): CheckResult => ({ check: "npm ci", exit_code, seconds: 1 });
  const states = (...entries: Entries) =>
    preparationStages(view(...entries)).map(({ state }) => state);

  test("follow each other", () => {
    const fetching: EventBody = { ...STARTED, commit: null } as EventBody;
    expect(states([0, fetching])).toEqual(["running", "waiting"]);
    expect(states([0, fetching], [0, begun])).toEqual(["done", "running", "waiting"]);
    const done: EventBody = { kind: "setup", result: result(0) };
    expect(states([0, begun], [0, done])).toEqual(["done", "done", "running"]);
  });

  test("tell the newest line of a command, and that an environment was kept", () => {
    const line: EventBody = { kind: "setup_output", command: "npm ci", line: "added 2" };
    expect(preparationStages(view([0, begun], [0, line]))[1]).toMatchObject({ line: "added 2" });
    const kept: EventBody = { kind: "setup", result: result(0), cached: true };
    expect(preparationStages(view([0, begun], [0, kept]))[1]?.detail).toContain("earlier run");
  });

  test("name the one that failed", () => {
    const failed: EventBody = { kind: "setup", result: result(1) };
    const end: EventBody = { kind: "complete", status: "failed" };
    expect(states([0, begun], [0, failed], [0, end])).toEqual(["done", "failed", "waiting"]);
    expect(states([0, STARTED], [0, end])).toEqual(["done", "failed"]);
  });
});

describe("a submission", () => {
  test.each([
    ["", null],
    ["200,000", 200_000],
    ["2e5", undefined],
  ])("%s is the count %s", (text, value) => expect(parseCount(text)).toBe(value));

  test("that is repeated asks the same", () => {
    const spec = {
      repo_url: "/srv/project",
      ref: null,
      path: "web",
      include_uncommitted: true,
      include_ignored: [".env"],
      prompt: "Make it work, please",
      variations: 2,
      agent_config: { effort: "high", temperature: null },
      lineup: null,
      checks: [{ command: "make test" }],
      setup: [{ command: "npm ci" }],
      allowed_hosts: ["files.example.org"],
      protected: ["*.lock"],
      comparison: { cross_tests: false, reruns: 2 },
      sandbox: null,
      budget: { run_usd: 2.5, variation_tokens: 200_000 },
      fresh: false,
      keep_going: true,
    } as unknown as RunDetails["spec"];
    const { lineup, agent_config: _, fresh, ...same } = toRunSpec(draftOf(spec));
    const { agent_config, lineup: __, fresh: ___, ...asked } = spec;
    expect(same).toMatchObject(asked);
    expect(lineup?.map(({ effort }) => effort)).toEqual(["high", "high"]);
    expect([fresh, agent_config?.effort]).toEqual([true, "high"]);
  });
});
