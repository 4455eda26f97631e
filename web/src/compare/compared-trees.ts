/** The two trees that the diff compares, and the layout of its lines; the address holds both. */
import type { RunDetails } from "../api/schema.gen";
import { useQueryValue } from "../app/router";
import type { Column } from "./columns";
import type { DiffLayout } from "./diff/row-types";
import { tiedForFirst } from "./tie";

/** Stands for the base in place of a variation's number. */
export const BASE = 0;

/**
 * Return the compared trees, which are the query parameters `from` and `to`. By default the first
 * two of a tie are compared with each other, and otherwise the recommended variation with the base.
 */
export function useComparedTrees(
  details: RunDetails,
  columns: readonly Column[],
): readonly [number, number] {
  const [from] = useQueryValue("from");
  const [to] = useQueryValue("to");
  const isThere = (number: number) => details.variations.some((each) => each.number === number);
  if (from === null && to === null) return defaultTrees(details, columns);
  const end = isThere(Number(to)) ? Number(to) : defaultEnd(details, columns);
  return [isThere(Number(from)) && Number(from) !== end ? Number(from) : BASE, end];
}

function defaultTrees(details: RunDetails, columns: readonly Column[]): readonly [number, number] {
  const [one, other] = tiedForFirst(details);
  return one === undefined || other === undefined
    ? [BASE, defaultEnd(details, columns)]
    : [one, other];
}

function defaultEnd(details: RunDetails, columns: readonly Column[]): number {
  const first = columns.find(({ variation }) => variation.verdict);
  return details.ranking?.recommended ?? first?.number ?? 1;
}

/** From this window width on, both sides of a diff fit beside each other. */
const WIDE_PX = 1200;

export function useDiffLayout(): [DiffLayout, (layout: DiffLayout) => void] {
  const [value, setValue] = useQueryValue("view");
  if (value === "split" || value === "unified") return [value, setValue];
  return [innerWidth >= WIDE_PX ? "split" : "unified", setValue];
}
