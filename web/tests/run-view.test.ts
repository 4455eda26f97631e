import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Event } from "../src/api/schema.gen";
import { applyEvent, emptyRunView } from "../src/stream/reduce-run";
import type { EventBody, RunView } from "../src/stream/run-view";
import { calls, log, returns, STARTED, says, started } from "./event-fixtures";

function view(events: readonly Event[]): RunView {
  const result = emptyRunView();
  for (const event of events) applyEvent(result, event);
  return result;
}

function texts(run: RunView, variation = 1): string[] {
  return (run.variations[variation - 1]?.entries ?? []).map((entry) =>
    "text" in entry ? entry.text : entry.id,
  );
}

describe("what a variation shows", () => {
  test("chunks of one message are one entry, also around a tool call", () => {
    const run = view(
      log(
        [0, STARTED],
        [1, started()],
        [1, says("Hel", "a")],
        [1, calls("t")],
        [1, says("lo", "a")],
      ),
    );
    expect(texts(run)).toEqual(["Hello", "tool-1-t"]);
  });

  test("without ids, consecutive chunks belong together, and others do not", () => {
    const run = view(
      log(
        [0, STARTED],
        [1, started()],
        [1, says("a", null)],
        [1, says("b", null)],
        [1, says("c", null, "thought")],
      ),
    );
    expect(texts(run)).toEqual(["ab", "c"]);
  });

  test("a new attempt begins its turn anew and keeps the turns before", () => {
    const finished: EventBody = {
      kind: "variation_finished",
      verdict: { variation_id: 1, patch: { files: 1 } },
      isolation: { backend: "bubblewrap", network: "gateway only", limits: {} },
    };
    const run = view(
      log(
        [0, STARTED],
        [1, started()],
        [1, says("first turn", "a")],
        [1, finished],
        [1, started(2, "And now?")],
        [1, says("cut off", "b")],
        [1, started(3, "And now?")],
        [1, says("whole", "b")],
      ),
    );
    expect(texts(run)).toEqual(["first turn", "And now?", "whole"]);
  });

  test("the state is the log's: a tool that runs, then waiting for the model, then the checks", () => {
    const events = log(
      [0, STARTED],
      [1, started()],
      [1, calls("t", "pytest -q")],
      [1, returns("t", "2 passed")],
    );
    const words = events.map(
      (_, index) => view(events.slice(0, index + 1)).variations[0]?.activity,
    );
    expect(words).toEqual([
      { state: "queued" },
      { state: "starting" },
      { state: "running", detail: "pytest -q" },
      { state: "waiting" },
    ]);
  });

  test("from the end of the agent's turn on it is being checked, long before the first result", () => {
    const run = view(
      log([0, STARTED], [1, started()], [1, says("Done.")], [1, { kind: "checking" }]),
    );
    expect(run.variations[0]?.activity).toEqual({ state: "checking" });
  });

  test("a log of version 0.1 calls the specification `seat`, and the checks `judging`", () => {
    const seat = { agent: "builtin", model: "m" };
    const old = { kind: "variation_started", seat, attempt: 1, follow_up: null } as unknown;
    const run = view(log([0, STARTED], [1, old as EventBody], [1, { kind: "judging" }]));
    expect(run.variations[0]).toMatchObject({ agent: seat, activity: { state: "checking" } });
  });

  test("an update of a call that was never announced adds the call", () => {
    const run = view(log([0, STARTED], [1, started()], [1, returns("x", "late", "failed")]));
    expect(run.variations[0]?.entries[0]).toMatchObject({
      type: "tool",
      status: "failed",
      title: "tool",
    });
  });

  test("a variation without events exists when the run says so", () => {
    expect(view(log([0, STARTED])).variations.map((variation) => variation.activity.state)).toEqual(
      ["queued", "queued"],
    );
  });
});

type Entry = readonly [number, EventBody];

const number = fc.integer({ min: 1, max: 3 });
const callId = fc.constantFrom("t", "u");
const attempts = fc
  .tuple(number, fc.integer({ min: 1, max: 3 }), fc.option(fc.constant("more")))
  .map(([variation, attempt, followUp]): Entry => [variation, started(attempt, followUp)]);
const channel = fc.constantFrom("message" as const, "thought" as const);
const outputs = fc
  .tuple(number, fc.string(), fc.option(fc.constantFrom("a", "b")), channel)
  .map(([variation, text, id, from]): Entry => [variation, says(text, id, from)]);
const toolCalls = fc.tuple(number, callId).map(([variation, id]): Entry => [variation, calls(id)]);
const toolResults = fc
  .tuple(number, callId, fc.constantFrom("completed" as const, "failed" as const))
  .map(([variation, id, status]): Entry => [variation, returns(id, "out", status)]);
const cancellations = number.map(
  (variation): Entry => [variation, { kind: "variation_failed", reason: "Cancelled", message: "" }],
);
const anyEntry: fc.Arbitrary<Entry> = fc.oneof(
  fc.constant<Entry>([0, STARTED]),
  attempts,
  outputs,
  toolCalls,
  toolResults,
  cancellations,
);

/** Return the view without its revisions, which count how often it was changed. */
function shown(run: RunView): string {
  return JSON.stringify(run, (key, value: unknown) => {
    if (value instanceof Map) return [...value.keys()];
    if (value instanceof Set) return [...value];
    return key === "revision" ? 0 : value;
  });
}

test("however the stream is split, resumed and doubled, the view is the same", () => {
  const pieces = fc.array(fc.record({ back: fc.nat(8), size: fc.integer({ min: 1, max: 12 }) }), {
    minLength: 1,
  });
  fc.assert(
    fc.property(fc.array(anyEntry, { maxLength: 60 }), pieces, (entries, cuts) => {
      const events = log(...entries);
      const whole = view(events);
      const resumed = emptyRunView();
      // A resumed stream starts at the last event seen, or before it if the server repeats events.
      for (let at = 0, turn = 0; at < events.length; turn += 1) {
        const { back, size } = cuts[turn % cuts.length] ?? { back: 0, size: 1 };
        for (const event of events.slice(Math.max(0, at - back), at + size))
          applyEvent(resumed, event);
        at += size;
      }
      expect(shown(resumed)).toBe(shown(whole));
    }),
    { numRuns: 300 },
  );
});
