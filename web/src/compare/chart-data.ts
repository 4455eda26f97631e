/** The figures behind the two small charts. Pure. */
import type { CheckChange, Run, TestChange, Variation, Verdict } from "../api/schema.gen";
import { totalTokens, turnDuration } from "./variation-facts";

export interface Point {
  readonly number: number;
  readonly x: number;
  /** Tests (or checks) that pass, of all that were told apart. */
  readonly passed: number;
  readonly total: number;
  /** Whether it breaks nothing that the base had. */
  readonly breaksNothing: boolean;
  /** On the front: nothing is both cheaper and better. */
  readonly isOnFront: boolean;
}

export interface Scatter {
  readonly unit: "cost" | "tokens" | "time";
  readonly points: readonly Point[];
}

/** Cost against tests: in dollars where prices are known, else in tokens, else in seconds. */
export function costScatter(variations: readonly Variation[]): Scatter {
  // What was put together cost nothing by itself: it would look better than those that it is made of.
  const judged = variations.filter((each) => each.verdict !== null && each.composed.length === 0);
  const unit = costUnit(judged);
  const points = judged.map((each) => ({
    number: each.number,
    x: costOf(each, unit),
    ...testCounts(each.verdict),
  }));
  return {
    unit,
    points: points.map((point) => ({ ...point, isOnFront: isOnFront(point, points) })),
  };
}

function costUnit(variations: readonly Variation[]): Scatter["unit"] {
  if (variations.every((each) => (each.usage.cost_usd ?? 0) > 0)) return "cost";
  return variations.some((each) => totalTokens(each) > 0) ? "tokens" : "time";
}

function costOf(variation: Variation, unit: Scatter["unit"]): number {
  if (unit === "cost") return variation.usage.cost_usd ?? 0;
  return unit === "tokens" ? totalTokens(variation) : (turnDuration(variation) ?? 0) / 1000;
}

function testCounts(verdict: Verdict | null): {
  passed: number;
  total: number;
  breaksNothing: boolean;
} {
  let [passed, total, broken] = [0, 0, 0];
  for (const check of verdict?.checks ?? []) {
    const counts = countsOf(check);
    const passing = (counts.fixed ?? 0) + (counts.still_passing ?? 0) + (counts.new ?? 0);
    passed += passing - newAndFailing(check);
    total += Object.values(counts).reduce((sum, count) => sum + count, 0);
    broken += counts.broken ?? 0;
  }
  return { passed, total, breaksNothing: broken === 0 };
}

/** Tests by change; a check that does not tell its tests apart counts as one test. */
function countsOf(check: CheckChange): Readonly<Record<string, number>> {
  const counts = check.counts ?? {};
  return Object.keys(counts).length > 0 ? counts : { [check.change]: 1 };
}

function newAndFailing(check: CheckChange): number {
  const isNewAndFailing = (test: TestChange) => test.change === "new" && test.after !== "passed";
  return check.tests?.filter(isNewAndFailing).length ?? 0;
}

type Position = Pick<Point, "x" | "passed">;

function isOnFront(point: Position, all: readonly Position[]): boolean {
  return !all.some(
    (other) =>
      other.x <= point.x &&
      other.passed >= point.passed &&
      (other.x < point.x || other.passed > point.passed),
  );
}

export interface Phases {
  readonly number: number;
  /** Seconds. */
  readonly waiting: number;
  readonly working: number;
  readonly checking: number;
}

/** Whether it began with the run: of what came later nobody noted when it was asked for. */
function startedWithRun(run: Run, each: Variation): boolean {
  return each.number <= (run.spec.variations ?? each.number) && each.follow_up === null;
}

/** Where the time went: until it began, at work, under examination. */
export function phases(run: Run, variations: readonly Variation[]): readonly Phases[] {
  return variations.flatMap((each) => {
    const taken = turnDuration(each);
    if (taken === null || !each.started_at) return [];
    const checking = Math.min(each.verdict?.seconds ?? 0, taken / 1000);
    const waiting = startedWithRun(run, each)
      ? Date.parse(each.started_at) - Date.parse(run.created_at)
      : 0;
    return [
      {
        number: each.number,
        waiting: Math.max(0, waiting) / 1000,
        working: taken / 1000 - checking,
        checking,
      },
    ];
  });
}
