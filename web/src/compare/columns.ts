/** Columns of a comparison. Variations with an identical patch share one. */
import type { RunDetails, Variation } from "../api/schema.gen";

export interface Column {
  /** Variation that represents all members. */
  readonly number: number;
  /** Variations with this same patch, including `number`. */
  readonly members: readonly number[];
  /** Index of the behaviour group; null where no test tells groups apart. */
  readonly group: number | null;
  readonly variation: Variation;
}

/**
 * Return the columns: best first, one per distinct patch, members of a behaviour group side by
 * side.
 *
 * @param shownNumbers Only these variations; null means all.
 */
export function buildColumns(
  details: RunDetails,
  shownNumbers: readonly number[] | null = null,
): readonly Column[] {
  const shown = rankedNumbers(details).filter(
    (number) => shownNumbers === null || shownNumbers.includes(number),
  );
  const groups = details.evidence?.groups ?? [];
  const columns: Column[] = [];
  for (const number of shown) {
    if (columns.some((column) => column.members.includes(number))) continue;
    const identical = details.evidence?.identical?.find((each) => each.includes(number)) ?? [
      number,
    ];
    const variation = details.variations[number - 1];
    if (!variation) continue;
    const group = groups.findIndex((each) => each.includes(number));
    columns.push({
      number,
      members: shown.filter((each) => identical.includes(each)),
      group: group < 0 ? null : group,
      variation,
    });
  }
  return groupTogether(columns);
}

/** Return the numbers of all variations, best first. Those that are not ranked follow by number. */
export function rankedNumbers(details: RunDetails): readonly number[] {
  const ranked = details.ranking?.order ?? [];
  const all = details.variations.map((variation) => variation.number);
  return [
    ...ranked.filter((number) => all.includes(number)),
    ...all.filter((n) => !ranked.includes(n)),
  ];
}

/** Move the members of a group beside its first member. */
function groupTogether(columns: readonly Column[]): readonly Column[] {
  const first = (column: Column) =>
    column.group === null
      ? columns.indexOf(column)
      : columns.findIndex((other) => other.group === column.group);
  return columns.toSorted((a, b) => first(a) - first(b) || columns.indexOf(a) - columns.indexOf(b));
}

interface GroupSpan {
  readonly group: number | null;
  readonly columns: number;
}

/**
 * Return the runs of neighbouring columns of one behaviour group, for the header cells that span
 * them.
 */
export function groupSpans(columns: readonly Column[]): readonly GroupSpan[] {
  const spans: { group: number | null; columns: number }[] = [];
  for (const { group } of columns) {
    const last = spans.at(-1);
    if (last && group !== null && last.group === group) last.columns += 1;
    else spans.push({ group, columns: 1 });
  }
  return spans;
}
