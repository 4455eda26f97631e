/** Ties: variations that nothing which was run tells apart. */
import type { Ranking, RunDetails, Standing } from "../api/schema.gen";

/**
 * Return the first variation and those that no deciding figure tells apart from it, one for each
 * distinct patch; empty where there is no tie. The same figures decide as in
 * `aideator.selection.rank.tied_for_first`.
 */
export function tiedForFirst(details: RunDetails): readonly number[] {
  const tied = equalStandings(details.ranking);
  const identical = details.evidence?.identical ?? [];
  const distinct = tied.filter(
    (number, index) =>
      !identical.some(
        (same) => same.includes(number) && tied.slice(0, index).some((each) => same.includes(each)),
      ),
  );
  return distinct.length > 1 ? distinct : [];
}

function equalStandings(ranking: Ranking | null): readonly number[] {
  const standings = ranking?.standings ?? [];
  const [first] = standings;
  if (!first || first.gate) return [];
  const wanted = decidingFigures(first);
  return standings
    .filter((each) => decidingFigures(each) === wanted)
    .map((each) => each.variation_id);
}

function decidingFigures(standing: Standing): string {
  return JSON.stringify({ ...standing, variation_id: 0, cross_total: 0 });
}

/** Whether a reason only says that there is a tie, which the page says in its own way. */
export function tellsTie(reason: string): boolean {
  return / prove the same[;.]/.test(reason);
}

/** More alternatives than these are counted, not listed. */
export const MAX_LISTED = 4;

/** Return numbers as words: `1`, `1 or 2`, `1, 2 or 3`, `12 variations`. */
export function alternatives(numbers: readonly number[]): string {
  if (numbers.length > MAX_LISTED) return `${numbers.length} variations`;
  const last = numbers.at(-1);
  return numbers.length < 2 ? String(last ?? "") : `${numbers.slice(0, -1).join(", ")} or ${last}`;
}

/**
 * Return the two variations whose difference is the open question: the first two of a tie, else
 * the best two with different patches; null where fewer than two have a change.
 */
export function bestTwo(
  details: RunDetails,
  ordered: readonly number[],
): readonly [number, number] | null {
  const [first, second] = tiedForFirst(details);
  if (first !== undefined && second !== undefined) return [first, second];
  const changed = ordered.filter((number) => {
    const verdict = details.variations[number - 1]?.verdict;
    return verdict && (verdict.patch.files ?? 0) > 0;
  });
  const [one, other] = changed;
  return one === undefined || other === undefined ? null : [one, other];
}
