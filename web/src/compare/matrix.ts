/**
 * Tests × variations, against the base. Pure.
 *
 * A verdict names only the tests that changed or do not pass; of the others its counts know. So what is not named is
 * known too: it passes as before, as long as nothing was left out of the list.
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
import type { Column } from "./columns";

export type Sign =
  | Change
  | CrossOutcome
  /** The base and this variation have no such test. */
  | "absent"
  /** The list was cut; nobody here knows. */
  | "unlisted"
  /** The check was not run on it, or does not tell tests apart. */
  | "none";

export interface Cell {
  /** The column's leading variation. */
  readonly variation: number;
  readonly sign: Sign;
  readonly before: TestOutcome | null;
  readonly after: TestOutcome | null;
  readonly message: string;
}

export interface Row {
  /** Unique in the matrix and lasting: what an address may hold. */
  readonly id: string;
  readonly kind: "check" | "test" | "cross";
  readonly check: string;
  readonly title: string;
  readonly file: string;
  /** What the base said; null where there was nothing to say. */
  readonly base: TestOutcome | CrossOutcome | null;
  readonly cells: readonly Cell[];
  /** Whether it tells the variations apart. */
  readonly differs: boolean;
  readonly cross: CrossTest | null;
}

export interface Section {
  readonly check: string;
  readonly kind: NonNullable<Check["kind"]>;
  readonly whole: Row;
  /** Most telling first. */
  readonly rows: readonly Row[];
  /** Rows that say the same of every variation, and nothing good or bad of any. */
  readonly alike: readonly Row[];
  /** Tests that pass as before in every variation; nobody named them. */
  readonly passing: number;
}

const WEIGHT: Readonly<Record<Sign, number>> = {
  broken: 0,
  gone: 1,
  fixed: 2,
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

/** The checks in the order in which they run, each with the tests that it tells apart. */
export function sections(columns: readonly Column[], checks: readonly Check[]): readonly Section[] {
  const configured = checks.map((check) => check.name || check.command);
  const seen = columns.flatMap(
    ({ variation }) => variation.verdict?.checks?.map((row) => row.check) ?? [],
  );
  return [...new Set([...configured, ...seen])]
    .filter((label) => seen.includes(label))
    .map((label) => section(label, columns));
}

function section(label: string, columns: readonly Column[]): Section {
  const results = columns.map((column) => changeOf(column, label));
  const tests = [
    ...new Set(results.flatMap((result) => result?.tests?.map((each) => each.test) ?? [])),
  ];
  const rows = tests
    .map((test) => testRow(label, test, columns, results))
    .toSorted((a, b) => Number(b.differs) - Number(a.differs) || weight(a) - weight(b));
  const isDull = (row: Row) => !row.differs && weight(row) >= WEIGHT.flaky;
  return {
    check: label,
    kind: results.find((result) => result)?.kind ?? "test",
    whole: wholeRow(label, columns, results),
    rows: rows.filter((row) => !isDull(row)),
    alike: rows.filter(isDull),
    passing: passingEverywhere(results, rows),
  };
}

function changeOf(column: Column, label: string): CheckChange | undefined {
  return column.variation.verdict?.checks?.find((row) => row.check === label);
}

function weight(row: Row): number {
  return Math.min(...row.cells.map((cell) => WEIGHT[cell.sign]));
}

/** Whether the cells tell the variations apart. */
export function differs(cells: readonly Cell[]): boolean {
  return new Set(cells.map((cell) => cell.sign).filter((sign) => sign !== "none")).size > 1;
}

function wholeRow(
  label: string,
  columns: readonly Column[],
  results: readonly (CheckChange | undefined)[],
): Row {
  const cells = columns.map((column, index): Cell => {
    const sign = results[index]?.change ?? "none";
    return {
      variation: column.number,
      sign,
      before: before(sign),
      after: after(sign),
      message: "",
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

/** What a check as a whole said on the base: its change tells. */
function before(sign: Sign): TestOutcome | null {
  if (sign === "fixed" || sign === "still_failing") return "failed";
  return sign === "broken" || sign === "still_passing" || sign === "gone" ? "passed" : null;
}

function after(sign: Sign): TestOutcome | null {
  if (sign === "broken" || sign === "still_failing") return "failed";
  return sign === "fixed" || sign === "still_passing" ? "passed" : null;
}

function testRow(
  label: string,
  test: string,
  columns: readonly Column[],
  results: readonly (CheckChange | undefined)[],
): Row {
  const told = results.map((result) => result?.tests?.find((each) => each.test === test));
  const onBase = told.find((each) => each && each.change !== "new");
  const cells = columns.map((column, index): Cell => {
    const found = told[index];
    if (found) return cellOf(column, found);
    const sign = implied(results[index], onBase !== undefined);
    return {
      variation: column.number,
      sign,
      before: onBase?.before ?? null,
      after: sign === "still_passing" ? "passed" : null,
      message: "",
    };
  });
  return {
    id: `${label} » ${test}`,
    kind: "test",
    check: label,
    title: test,
    file: told.find((each) => each?.file)?.file ?? "",
    base: onBase?.before ?? null,
    cells,
    differs: differs(cells),
    cross: null,
  };
}

function cellOf(column: Column, found: TestChange): Cell {
  const { change, before = null, after = null, message = "" } = found;
  return { variation: column.number, sign: change, before, after, message };
}

/** What is known of a test that a verdict does not name. */
function implied(result: CheckChange | undefined, isOnBase: boolean): Sign {
  const counts = Object.entries(result?.counts ?? {});
  if (counts.length === 0) return "none";
  const telling = counts.reduce(
    (sum, [change, count]) => sum + (change === "still_passing" ? 0 : count),
    0,
  );
  const listed = result?.tests?.filter((each) => each.change !== "still_passing").length ?? 0;
  if (listed < telling) return "unlisted";
  return isOnBase ? "still_passing" : "absent";
}

function passingEverywhere(
  results: readonly (CheckChange | undefined)[],
  rows: readonly Row[],
): number {
  const passing = results.flatMap((result, index) => {
    if (!result || Object.keys(result.counts ?? {}).length === 0) return [];
    const shown = rows.filter((row) => row.cells[index]?.sign === "still_passing").length;
    return [(result.counts?.still_passing ?? 0) - shown];
  });
  return passing.length === 0 ? 0 : Math.max(0, Math.min(...passing));
}
