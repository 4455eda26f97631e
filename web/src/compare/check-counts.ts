/** Counts of a check's tests by what became of them. */
import type { Change, CheckChange } from "../api/schema.gen";
import { formatThousands } from "../ui/format";

/** Changes that the row of a check counts, the most telling first. */
const COUNTED: readonly Change[] = ["broken", "fixed", "gone", "new", "flaky"];

/** Return the counts as text; empty where tests are not told apart. */
export function countsText(result: CheckChange | undefined): string {
  return COUNTED.map((change) => [change, result?.counts?.[change] ?? 0] as const)
    .filter(([, count]) => count > 0)
    .map(([change, count]) => `${formatThousands(count)} ${change}`)
    .join(" · ");
}

/** Count the tests that are neither listed nor pass as before. */
export function unlistedCount(result: CheckChange | undefined): number {
  const counted = Object.entries(result?.counts ?? {}).reduce(
    (sum, [change, count]) => sum + (change === "still_passing" ? 0 : count),
    0,
  );
  const listed = result?.tests?.filter((each) => each.change !== "still_passing").length ?? 0;
  return Math.max(0, counted - listed);
}
