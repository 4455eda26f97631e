/** Which variations stand beside each other, and which of them are really one. Pure. */
import type { RunDetails, Variation } from "../api/schema.gen";

export interface Column {
  /** The variation that stands for all members. */
  readonly number: number;
  /** Those with this very patch, itself included. */
  readonly members: readonly number[];
  /** The behaviour group that it belongs to, from 0; null where no test tells groups apart. */
  readonly group: number | null;
  readonly variation: Variation;
}

/**
 * The columns of a comparison: best first, the same patch once, those that behave alike side by side.
 *
 * @param wanted Only these variations; all when null.
 */
export function buildColumns(
  details: RunDetails,
  wanted: readonly number[] | null = null,
): readonly Column[] {
  const shown = rankedNumbers(details).filter(
    (number) => wanted === null || wanted.includes(number),
  );
  const groups = details.evidence?.groups ?? [];
  const columns: Column[] = [];
  for (const number of shown) {
    if (columns.some((column) => column.members.includes(number))) continue;
    const twins = details.evidence?.identical?.find((each) => each.includes(number)) ?? [number];
    const variation = details.variations[number - 1];
    if (!variation) continue;
    const group = groups.findIndex((each) => each.includes(number));
    columns.push({
      number,
      members: shown.filter((each) => twins.includes(each)),
      group: group < 0 ? null : group,
      variation,
    });
  }
  return groupTogether(columns);
}

/** Best first; those that the ranking leaves out come last, by their number. */
export function rankedNumbers(details: RunDetails): readonly number[] {
  const ranked = details.ranking?.order ?? [];
  const all = details.variations.map((variation) => variation.number);
  return [
    ...ranked.filter((number) => all.includes(number)),
    ...all.filter((n) => !ranked.includes(n)),
  ];
}

/** Put the members of a group beside the first of them. */
function groupTogether(columns: readonly Column[]): readonly Column[] {
  const first = (column: Column) =>
    column.group === null
      ? columns.indexOf(column)
      : columns.findIndex((other) => other.group === column.group);
  return columns.toSorted((a, b) => first(a) - first(b) || columns.indexOf(a) - columns.indexOf(b));
}

export interface GroupSpan {
  readonly group: number | null;
  readonly columns: number;
}

/** Neighbours of one behaviour group, as a table's heading spans them. */
export function groupSpans(columns: readonly Column[]): readonly GroupSpan[] {
  const found: { group: number | null; columns: number }[] = [];
  for (const { group } of columns) {
    const last = found.at(-1);
    if (last && group !== null && last.group === group) last.columns += 1;
    else found.push({ group, columns: 1 });
  }
  return found;
}
