import { describe, expect, test } from "vitest";
import { apiUrl } from "../src/api/client";
import type { ServerInfo } from "../src/api/schema.gen";
import { matchPath } from "../src/app/router";
import { parseDollars } from "../src/home/parse-fields";
import {
  costEstimate,
  emptyDraft,
  resizeLineup,
  toRunSpec,
  validateDraft,
} from "../src/home/run-draft";
import { safeDestination } from "../src/login/login-page";
import { axisTicks, timelineSegments } from "../src/run/timeline-segments";
import { applyEvent, emptyRunView } from "../src/stream/reduce-run";
import { Replay } from "../src/stream/replay";
import { calls, log, returns, STARTED, says, started } from "./event-fixtures";

const SERVER: ServerInfo = {
  name: "AIdeator",
  version: "1",
  caller: "this machine",
  local: true,
  model_ready: true,
  min_prompt_length: 10,
  max_prompt_length: 50,
  max_variations: 5,
  max_parallel_variations: 8,
  agent_timeout: 1800,
  git_hosts: [],
  setup_open: true,
  demo_repo: null,
  recent: [],
  latest_costs: [],
};

describe("addresses", () => {
  test.each([
    ["/runs/:id", "/runs/a%20b", { id: "a b" }],
    ["/runs/:id", "/runs/a/", { id: "a" }],
    ["/runs/:id", "/runs/%E0%A4%A", { id: "%E0%A4%A" }],
    ["/runs/:id", "/runs", null],
    ["/", "/", {}],
  ])("%s fits %s", (pattern, path, params) => expect(matchPath(pattern, path)).toEqual(params));

  test.each(["//evil.example", "/\\evil.example", "https://evil.example", "javascript:x", null])(
    "%s is no way back",
    (next) => expect(safeDestination(next)).toBe("/"),
  );
  test("a path of the page is", () =>
    expect(safeDestination("/runs/x?focus=1")).toBe("/runs/x?focus=1"));

  test("a route with its values; a list is repeated", () => {
    expect(apiUrl("GET /runs/{run_id}", { run_id: "a/b" })).toBe("/api/v1/runs/a%2Fb");
    expect(
      apiUrl("GET /overview", undefined, { status: ["queued", "running"], cursor: null }),
    ).toBe("/api/v1/overview?status=queued&status=running");
  });
});

describe("a submission that is being written", () => {
  const draft = { ...emptyDraft(SERVER), repo: "/srv/project", prompt: "Make it work, please" };

  test("is held to the server's own bounds", () => {
    expect(validateDraft({ ...draft, repo: " ", prompt: "short" }, SERVER)).toEqual({
      repo_url: "Enter a repository.",
      prompt: "Enter at least 10 characters.",
    });
    expect(validateDraft({ ...draft, prompt: "x".repeat(51) }, SERVER).prompt).toBe(
      "Enter at most 50 characters.",
    );
    expect(validateDraft(draft, SERVER)).toEqual({});
  });

  test("becomes what the API takes", () => {
    const spec = toRunSpec({ ...draft, budget: "$2.50", ref: " main " });
    expect(spec).toMatchObject({
      ref: "main",
      variations: 3,
      checks: null,
      keep_going: false,
      budget: { run_usd: 2.5 },
    });
    expect(spec.lineup).toHaveLength(3);
  });

  test("another agent copies the last one, with a key of its own", () => {
    const lineup = resizeLineup([{ ...(draft.lineup[0] ?? expect.fail()), model: "m" }], 2);
    expect(lineup.map((agent) => agent.model)).toEqual(["m", "m"]);
    expect(new Set(lineup.map((agent) => agent.key)).size).toBe(2);
  });

  test.each([
    ["", null],
    ["2.5", 2.5],
    ["$3", 3],
    ["0", undefined],
    ["-1", undefined],
    ["much", undefined],
  ])("%s is %s dollars", (text, value) => expect(parseDollars(text)).toBe(value));

  test("estimates the cost, and says when there is no limit", () => {
    expect(costEstimate({ ...draft, budget: "2" }, SERVER)).toContain("At most $2.00");
    expect(costEstimate(draft, { ...SERVER, latest_costs: [0.1, 0.3] })).toContain(
      "$0.30 to $0.90",
    );
    expect(costEstimate(draft, SERVER)).toContain("No cost history yet");
  });
});

describe("the timeline", () => {
  const events = log(
    [0, STARTED],
    [1, started()],
    [1, says("a")],
    [1, calls("t")],
    [1, returns("t", "x")],
    [1, says("b", "m2")],
  );

  test("bars on one clock, and a call under way lasts until now", () => {
    const run = emptyRunView();
    for (const event of events.slice(0, 4)) applyEvent(run, event);
    const variation = run.variations[0] ?? expect.fail();
    const now = (run.lastAt ?? 0) + 5000;
    expect(timelineSegments(variation, now, 0).map((bar) => [bar.kind, bar.to - bar.from])).toEqual(
      [
        ["writing", 0],
        ["tool", 5000],
      ],
    );
  });

  test("ticks are round and few", () => {
    expect(axisTicks(8_500, 8)).toEqual([0, 2000, 4000, 6000, 8000]);
    expect(axisTicks(100 * 3_600_000, 8).length).toBeLessThanOrEqual(9);
  });

  test("a replay at any moment is the run as it was then, forth and back", () => {
    const replay = new Replay(events);
    for (const at of [5000, 1000, 3000, 0, 5000]) {
      const seen = emptyRunView();
      for (const event of events.slice(0, at / 1000 + 1)) applyEvent(seen, event);
      const shown = replay.seek(at);
      expect([shown.lastSeq, shown.variations[0]?.entries]).toEqual([
        seen.lastSeq,
        seen.variations[0]?.entries,
      ]);
    }
  });
});
