"""Order the variations by what running them proved, and recommend one or say "I cannot tell".

A pure function of the verdicts: the same input gives the same answer, in whatever order the verdicts come. Size, cost
and time of a change never decide.
"""

from collections.abc import Iterable, Sequence

from aideator.domain.ranking import Confidence, Ranking
from aideator.domain.verdict import Change, Verdict

_Key = tuple[bool, int, int]


def rank(verdicts: Iterable[Verdict]) -> Ranking:
    """Rank by: changed something, breaks nothing, fixes most. Equals keep the order of their numbers.

    The recommendation needs evidence that sets it apart: it fixes a check, or the others break what it does not.
    """
    ranked = sorted(verdicts, key=lambda v: (_key(v), -v.variation_id), reverse=True)
    order = tuple(v.variation_id for v in ranked)
    candidates = [v for v in ranked if not v.unchanged and not v.count(Change.BROKEN)]
    if not candidates:
        return Ranking(order=order, recommended=None, confidence=Confidence.OPEN, reasons=_none_is_good(ranked))
    best = [v for v in candidates if _key(v) == _key(candidates[0])]
    return _recommend(order, best, [v for v in ranked if v not in best])


def _key(verdict: Verdict) -> _Key:
    return (not verdict.unchanged, -verdict.count(Change.BROKEN), verdict.count(Change.FIXED))


def _recommend(order: tuple[int, ...], best: Sequence[Verdict], others: Sequence[Verdict]) -> Ranking:
    first = best[0]
    fixed, failing = first.count(Change.FIXED), first.count(Change.STILL_FAILING)
    reasons = [_what_it_proves(first), *(_why_not(v) for v in others)]
    if len(best) > 1:
        reasons.insert(1, f"{_names(best)} prove the same; nothing that was run tells them apart.")
    if not first.checks:
        reasons.insert(0, "No checks were run, so nothing is proven. A test would settle it.")
    if not fixed and (len(best) > 1 or not others or not first.checks):
        reasons.append("I cannot tell which is right: no check separates them. One more test would settle it.")
        return Ranking(order=order, recommended=None, confidence=Confidence.OPEN, reasons=tuple(reasons))
    confidence = Confidence.HIGH if fixed and not failing else Confidence.MEDIUM
    return Ranking(order=order, recommended=first.variation_id, confidence=confidence, reasons=tuple(reasons))


def _what_it_proves(verdict: Verdict) -> str:
    parts = [
        _counted(verdict.count(Change.FIXED), "fixes {} that failed on the base"),
        _counted(verdict.count(Change.STILL_PASSING), "keeps {} passing"),
        _counted(verdict.count(Change.STILL_FAILING), "leaves {} failing"),
    ]
    said = ", ".join(part for part in parts if part) or "changes files"
    return f"Variation {verdict.variation_id} {said} and breaks none."


def _why_not(verdict: Verdict) -> str:
    name = f"Variation {verdict.variation_id}"
    if verdict.unchanged:
        return f"{name} changed nothing."
    broken = [row.check for row in verdict.checks if row.change is Change.BROKEN]
    if broken:
        return f"{name} breaks {', '.join(f'`{check}`' for check in broken)}, which passed on the base."
    return f"{name} fixes fewer checks ({verdict.count(Change.FIXED)})."


def _none_is_good(ranked: Sequence[Verdict]) -> tuple[str, ...]:
    if not ranked:
        return ("No variation came to an end, so there is nothing to recommend.",)
    return (*(_why_not(v) for v in ranked), "None is good enough to recommend.")


def _counted(count: int, phrase: str) -> str:
    return phrase.format("1 check" if count == 1 else f"{count} checks") if count else ""


def _names(verdicts: Sequence[Verdict]) -> str:
    numbers = [str(v.variation_id) for v in verdicts]
    return f"Variations {', '.join(numbers[:-1])} and {numbers[-1]}"
