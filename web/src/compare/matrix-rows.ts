/**
 * Rows of the test matrix: tests × variations, against the base.
 *
 * A verdict names only tests that changed or do not pass; the others are counted. A test that a
 * verdict does not name is known nevertheless: where the list is complete by its counts, it passes
 * as before if another verdict says that the base has it; otherwise there is no such test. Where
 * the list was truncated, the cell says "not listed". "No such test" is neither good nor bad: the
 * cross-test's row shows what the test would have said there. Tests that pass everywhere are only
 * counted.
 */
import type {
  Change,
  Check,
  CheckChange,
  CrossOutcome,
  CrossTest,
  TestChange,
  TestOutcome,
} from "../api/schema.gen";
import { countsText, unlistedCount } from "./check-counts";
import type { Column } from "./columns";

export type CellState =
  | Change
  | CrossOutcome
  /** Neither the base nor this variation has the test. */
  | "absent"
  /** The list was truncated, so the state is unknown. */
  | "unlisted"
  /** The check was run on the variation, but could not start or come to an end. */
  | "could_not_run"
  /** The check was not run on the variation, or does not tell tests apart. */
  | "none";

export interface MatrixCell {
  /** Variation that represents the column. */
  readonly variation: number;
  readonly state: CellState;
  readonly before: TestOutcome | null;
  readonly after: TestOutcome | null;
  readonly message: string;
  /** What became of the check's tests: `1,999 broken · 1 fixed`; empty where they are not told apart. */
  readonly counts?: string;
  /** End of what a check printed, where it did not pass and the verdict keeps it. */
  readonly output?: string;
}

export interface MatrixRow {
  /** Unique in the matrix and stable, since the query parameter `cell` holds it. */
  readonly id: string;
  readonly kind: "check" | "test" | "cross";
  readonly check: string;
  readonly title: string;
  readonly file: string;
  /** Outcome on the base; null where there is none. */
  readonly base: TestOutcome | CrossOutcome | null;
  readonly cells: readonly MatrixCell[];
  /** Whether the variations differ in this row. */
  readonly differs: boolean;
  readonly cross: CrossTest | null;
}

export interface CheckSection {
  readonly check: string;
  readonly kind: NonNullable<Check["kind"]>;
  readonly checkRow: MatrixRow;
  /** Most relevant first. */
  readonly rows: readonly MatrixRow[];
  /** Rows with one uneventful state in all variations. */
  readonly sameRows: readonly MatrixRow[];
  /** Number of tests that are counted, but that the longest list leaves out. */
  readonly unlistedCount: number;
  /** Number of tests that pass as before in every variation and are named by no verdict. */
  readonly passingCount: number;
}

const PRIORITY: Readonly<Record<CellState, number>> = {
  fixed: 0,
  broken: 1,
  could_not_run: 1,
  gone: 2,
  new: 3,
  flaky: 4,
  fail: 5,
  pass: 6,
  not_comparable: 7,
  still_failing: 8,
  unlisted: 9,
  still_passing: 10,
  absent: 11,
  none: 12,
};

/** Return the checks in the order in which they run, each with the rows of its tests. */
export function checkSections(
  columns: readonly Column[],
  checks: readonly Check[],
): readonly CheckSection[] {
  const configured = checks.map((check) => check.name || check.command);
  const seen = columns.flatMap(
    ({ variation }) => variation.verdict?.checks?.map((row) => row.check) ?? [],
  );
  return [...new Set([...configured, ...seen])]
    .filter((label) => seen.includes(label))
    .map((label) => checkSection(label, columns));
}

function checkSection(label: string, columns: readonly Column[]): CheckSection {
  const results = columns.map((column) => checkChangeOf(column, label));
  const changes = results.map(
    (result) => new Map(result?.tests?.map((each) => [each.test, each] as const)),
  );
  const tests = [...new Set(changes.flatMap((each) => [...each.keys()]))];
  const rows = tests
    .map((test) => testRow(label, test, columns, results, changes))
    .toSorted((a, b) => Number(b.differs) - Number(a.differs) || priority(a) - priority(b));
  const isUneventful = (row: MatrixRow) => !row.differs && priority(row) >= PRIORITY.flaky;
  return {
    check: label,
    kind: results.find((result) => result)?.kind ?? "test",
    checkRow: checkRow(label, columns, results),
    rows: rows.filter((row) => !isUneventful(row)),
    sameRows: rows.filter(isUneventful),
    unlistedCount: Math.max(0, ...results.map(unlistedCount)),
    passingCount: passingEverywhere(results, rows),
  };
}

function checkChangeOf(column: Column, label: string): CheckChange | undefined {
  return column.variation.verdict?.checks?.find((row) => row.check === label);
}

function priority(row: MatrixRow): number {
  return Math.min(...row.cells.map((cell) => PRIORITY[cell.state]));
}

/** Whether the cells have different states. */
export function differs(cells: readonly MatrixCell[]): boolean {
  return new Set(cells.map((cell) => cell.state).filter((state) => state !== "none")).size > 1;
}

function checkRow(
  label: string,
  columns: readonly Column[],
  results: readonly (CheckChange | undefined)[],
): MatrixRow {
  const cells = columns.map((column, index): MatrixCell => {
    const result = results[index];
    const change = result?.change ?? "none";
    return {
      variation: column.number,
      state: result?.could_not_run ? "could_not_run" : change,
      before: outcomeBefore(change),
      after: outcomeAfter(change),
      message: result?.could_not_run ?? "",
      output: result?.output ?? "",
      counts: countsText(result),
    };
  });
  const base = cells.find((cell) => cell.before !== null)?.before ?? null;
  const id = label;
  return {
    id,
    kind: "check",
    check: label,
    title: label,
    file: "",
    base,
    cells,
    differs: differs(cells),
    cross: null,
  };
}

/** Return the outcome of a whole check on the base, which its change implies. */
function outcomeBefore(state: CellState): TestOutcome | null {
  if (state === "fixed" || state === "still_failing") return "failed";
  return state === "broken" || state === "still_passing" || state === "gone" ? "passed" : null;
}

function outcomeAfter(state: CellState): TestOutcome | null {
  if (state === "broken" || state === "still_failing") return "failed";
  return state === "fixed" || state === "still_passing" ? "passed" : null;
}

function testRow(
  label: string,
  test: string,
  columns: readonly Column[],
  results: readonly (CheckChange | undefined)[],
  changesByTest: readonly ReadonlyMap<string, TestChange>[],
): MatrixRow {
  const changes = changesByTest.map((each) => each.get(test));
  const onBase = changes.find((each) => each && each.change !== "new");
  const cells = columns.map((column, index): MatrixCell => {
    const change = changes[index];
    if (change) return testCell(column, change);
    const state = impliedState(results[index], onBase !== undefined);
    return {
      variation: column.number,
      state,
      before: onBase?.before ?? null,
      after: state === "still_passing" ? "passed" : null,
      message: "",
    };
  });
  return {
    id: `${label} » ${test}`,
    kind: "test",
    check: label,
    title: test,
    file: changes.find((each) => each?.file)?.file ?? "",
    base: onBase?.before ?? null,
    cells,
    differs: differs(cells),
    cross: null,
  };
}

function testCell(column: Column, test: TestChange): MatrixCell {
  const { change, before = null, after = null, message = "" } = test;
  return { variation: column.number, state: change, before, after, message };
}

/** Return the state of a test that a verdict does not name. */
function impliedState(result: CheckChange | undefined, isOnBase: boolean): CellState {
  if (Object.keys(result?.counts ?? {}).length === 0) return "none";
  if (unlistedCount(result) > 0) return "unlisted";
  return isOnBase ? "still_passing" : "absent";
}

function passingEverywhere(
  results: readonly (CheckChange | undefined)[],
  rows: readonly MatrixRow[],
): number {
  const passing = results.flatMap((result, index) => {
    if (!result || Object.keys(result.counts ?? {}).length === 0) return [];
    const shown = rows.filter((row) => row.cells[index]?.state === "still_passing").length;
    return [(result.counts?.still_passing ?? 0) - shown];
  });
  return passing.length === 0 ? 0 : Math.max(0, Math.min(...passing));
}
