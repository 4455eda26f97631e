/** Data of the two charts of a comparison. */
import type { CheckChange, Run, Variation, Verdict } from "../api/schema.gen";
import { totalTokens } from "../run/variation-labels";
import { variationDuration } from "./variation-facts";

export interface Point {
  readonly number: number;
  readonly x: number;
  /**
   * Passing tests of the base, or passing checks where tests are not told apart. Tests that a
   * variation wrote itself are left out: writing many would look like proving much.
   */
  readonly passed: number;
  readonly total: number;
  /** Whether nothing that passed on the base is broken. */
  readonly breaksNothing: boolean;
  /**
   * On the Pareto front: no other variation is at least as cheap and passes at least as many tests,
   * and is better in one of the two.
   */
  readonly isOnFront: boolean;
}

export interface Scatter {
  readonly unit: "cost" | "tokens" | "time";
  readonly points: readonly Point[];
}

/**
 * Cost against passing tests: in dollars where prices are known, else in tokens, else in seconds.
 */
export function costScatter(variations: readonly Variation[]): Scatter {
  // A composition has no cost of its own and would look better than the variations it is made of.
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
  return variations.some((each) => totalTokens(each.usage) > 0) ? "tokens" : "time";
}

function costOf(variation: Variation, unit: Scatter["unit"]): number {
  if (unit === "cost") return variation.usage.cost_usd ?? 0;
  return unit === "tokens"
    ? totalTokens(variation.usage)
    : (variationDuration(variation) ?? 0) / 1000;
}

function testCounts(verdict: Verdict | null): {
  passed: number;
  total: number;
  breaksNothing: boolean;
} {
  let [passed, total, broken] = [0, 0, 0];
  for (const check of verdict?.checks ?? []) {
    const { new: _new, ...counts } = countsOf(check);
    passed += (counts.fixed ?? 0) + (counts.still_passing ?? 0);
    total += Object.values(counts).reduce((sum, count) => sum + count, 0);
    broken += counts.broken ?? 0;
  }
  return { passed, total, breaksNothing: broken === 0 };
}

/** Count tests by change. A check that does not tell tests apart counts as one test. */
function countsOf(check: CheckChange): Readonly<Record<string, number>> {
  const counts = check.counts ?? {};
  return Object.keys(counts).length > 0 ? counts : { [check.change]: 1 };
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

/**
 * Whether the variation was requested with the run. For variations added later the time of the
 * request is not recorded.
 */
function startedWithRun(run: Run, each: Variation): boolean {
  return each.number <= (run.spec.variations ?? each.number) && each.follow_up === null;
}

/** Split the time of each variation into waiting, working and checking. */
export function phases(run: Run, variations: readonly Variation[]): readonly Phases[] {
  return variations.flatMap((each) => {
    const duration = variationDuration(each);
    if (duration === null || !each.started_at) return [];
    const checking = Math.min(each.verdict?.seconds ?? 0, duration / 1000);
    const waiting = startedWithRun(run, each)
      ? Date.parse(each.started_at) - Date.parse(run.created_at)
      : 0;
    return [
      {
        number: each.number,
        waiting: Math.max(0, waiting) / 1000,
        working: duration / 1000 - checking,
        checking,
      },
    ];
  });
}
