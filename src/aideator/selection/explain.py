"""The ranking in sentences, each with the figures that it rests on, and what would settle an open answer."""

from collections.abc import Iterator, Sequence

from aideator.domain.ranking import (
    Confidence,
    CrossOutcome,
    CrossTest,
    Evidence,
    Ranking,
)
from aideator.domain.verdict import Change
from aideator.selection.scores import Case, deciding, names, quoted, tests_that

RULE = (
    "High: it fixes every test that failed on the base, breaks none, and at least a third of the variations behave as "
    "it does. Medium: it fixes some of them (or all, and fewer behave alike) and none that it leaves is fixed by "
    "another; or it passes four fifths of the tests that two or more others wrote and a third behave alike, or half of "
    "them and more than half behave alike; or all others break something. Open: anything less."
)
"""How `rank` finds the confidence; printed beside it."""

CANNOT_TELL = "I cannot tell which is right"

Places = Sequence[Sequence[Case]]


def nothing_to_rank() -> Ranking:
    """What is said when no variation came to an end."""
    return Ranking(
        order=(),
        recommended=None,
        confidence=Confidence.OPEN,
        reasons=("No variation came to an end, so there is nothing to recommend.",),
        rule=RULE,
        settle="See why they failed, and ask again.",
    )


def tell(places: Places, evidence: Evidence, confidence: Confidence) -> Ranking:
    """Put the order into words.

    Args:
        places: the variations, best first; those that nothing tells apart share a
            place.
        evidence: what they rest on.
        confidence: how far it carries.
    """
    cases = [case for place in places for case in place]
    recommended = None if confidence is Confidence.OPEN else cases[0].number
    return Ranking(
        order=tuple(case.number for case in cases),
        recommended=recommended,
        confidence=confidence,
        reasons=tuple(_reasons(places, evidence, open_=recommended is None)),
        rule=RULE,
        settle=_settle(places, evidence) if recommended is None else "",
        standings=tuple(case.standing for case in cases),
    )


def _reasons(places: Places, evidence: Evidence, *, open_: bool) -> Iterator[str]:
    cases = [case for place in places for case in place]
    first, equals = cases[0], places[0]
    if not first.standing.gate:
        if not first.verdict.checks and not first.compared:
            yield "No checks were run, so nothing is proven."
        yield f"{_name(first)} {_proves(first, len(cases))}."
        yield from _equal(equals, evidence)
        yield from _caveats(first)
        yield from (_why_not(case, first) for case in cases if case not in equals)
    else:
        yield from (_why_not(case, None) for case in cases)
    yield from _opinion(evidence)
    if first.standing.gate:
        yield "None is good enough to recommend."
    elif open_:
        yield f"{CANNOT_TELL}: {_what_is_missing(places)}."


def _name(case: Case) -> str:
    return f"Variation {case.number}"


def _proves(case: Case, everyone: int) -> str:
    """What running it has shown, as a verb phrase."""
    parts = list(_findings(case))
    if case.compared:
        parts.append(f"passes {case.passed} of {_count(case.compared, 'cross-test')}")
    elif case.backing.passed:
        parts.append(
            f"passes {case.backing.passed} of {_count(case.backing.compared, 'test')} that others wrote"
        )
    said = _joined(parts) if parts else "changes files"
    alike = round(case.standing.group_share * everyone)
    return (
        f"{said}; {alike} of {everyone} variations behave alike" if alike > 1 else said
    )


def _findings(case: Case) -> Iterator[str]:
    noun = "test" if any(check.counts for check in deciding(case.verdict)) else "check"
    fixed, failing = case.standing.fixed, case.failing
    if fixed + failing:
        yield f"fixes {fixed} of {_count(fixed + failing, noun)} that failed on the base"
    passing = tests_that(case.verdict, Change.STILL_PASSING)
    if broken := case.standing.broken:
        yield f"breaks {broken} of {passing + broken} that passed"
    elif passing:
        yield f"breaks none of {passing} that passed"


def _equal(equals: Sequence[Case], evidence: Evidence) -> Iterator[str]:
    if len(equals) > 1:
        yield f"{_names(equals)} prove the same; nothing that was run tells them apart."
    numbers = {case.number for case in equals}
    for same in evidence.identical:
        if numbers.issuperset(same):
            yield f"Variations {_joined([str(number) for number in same])} made the same change."


def _caveats(case: Case) -> Iterator[str]:
    if gone := tests_that(case.verdict, Change.GONE):
        missing = quoted(names(case.verdict, Change.GONE), gone)
        yield f"{_count(gone, 'test')} of the base did not run with {_name(case).lower()}: {missing}."
    if flaky := names(case.verdict, Change.FLAKY):
        yield f"{quoted(flaky)} said different things on the same tree, and decided nothing."


def _why_not(case: Case, first: Case | None) -> str:
    standing = case.standing
    if standing.flagged:
        shown = _joined(list(_findings(case)))
        return f"{_name(case)} {shown + ', but ' if shown else ''}{standing.gate}."
    if standing.gate:
        return f"{_name(case)} {standing.gate}."
    if first is not None and standing.fixed < first.standing.fixed:
        left = quoted(names(case.verdict, Change.STILL_FAILING), case.failing)
        return f"{_name(case)} fixes fewer ({standing.fixed}){f': it leaves {left} failing' if left else ''}."
    if case.compared and first is not None and case.score < first.score:
        return f"{_name(case)} passes {case.passed} of {_count(case.compared, 'cross-test')}, of less weight."
    return f"{_name(case)} passes about as much, but fewer behave as it does."


def _opinion(evidence: Evidence) -> Iterator[str]:
    opinion = evidence.opinion
    if opinion is None:
        return
    among = _joined([str(number) for number in opinion.among])
    if opinion.preferred is None:
        yield f"The judge ({opinion.model}) has no preference among {among} that holds in both orders."
    else:
        yield (
            f"The judge ({opinion.model}) prefers variation {opinion.preferred} among {among}, in both orders; "
            "that is an opinion, not a proof."
        )


def _what_is_missing(places: Places) -> str:
    first, cases = places[0][0], [case for place in places for case in place]
    if not first.verdict.checks and not first.backing.compared:
        return "nothing was run"
    if first.standing.fixed:
        return "another one fixes what it leaves failing"
    if first.compared:
        return "too few tests of others stand behind it"
    return "no test separates them" if len(cases) > 1 else "no test fails without it"


def _settle(places: Places, evidence: Evidence) -> str:
    first = places[0][0]
    contenders = [case for place in places for case in place if not case.standing.gate]
    if first.standing.gate:
        return _settle_gates(places)
    if len(contenders) > 1 and first.standing.fixed:
        other = next(
            (case for case in contenders[1:] if _complements(case, first)),
            contenders[1],
        )
        return f"Compose variations {first.number} and {other.number}, or ask one of them to fix the rest too."
    disputed = [
        test
        for test in evidence.cross_tests
        if test.weight and _splits(test, contenders)
    ]
    if disputed:
        test = max(disputed, key=lambda test: (test.weight, test.test))
        return f"Say whether `{test.test}` ({test.file}) is right: {_who_passes(test, contenders)}."
    return f"One more test that fails on the base{_where(contenders)}. It would gain more than another agent."


def _settle_gates(places: Places) -> str:
    cases = [case for place in places for case in place]
    first = cases[0]
    if first.standing.flagged:
        return f"Look at what is flagged in variation {first.number}; if it is meant so, let it pass."
    if first.verdict.unchanged:
        return "Say more exactly what shall change and where, and ask again."
    return f"Ask variation {first.number} to mend what it breaks; it comes nearest."


def _complements(case: Case, first: Case) -> bool:
    left = names(first.verdict, Change.STILL_FAILING)
    return not set(left).isdisjoint(names(case.verdict, Change.FIXED))


def _splits(test: CrossTest, contenders: Sequence[Case]) -> bool:
    said = {test.outcomes.get(case.number) for case in contenders}
    return {CrossOutcome.PASS, CrossOutcome.FAIL} <= said


def _who_passes(test: CrossTest, contenders: Sequence[Case]) -> str:
    passing = [
        case
        for case in contenders
        if test.outcomes.get(case.number) is CrossOutcome.PASS
    ]
    failing = [
        case
        for case in contenders
        if test.outcomes.get(case.number) is CrossOutcome.FAIL
    ]
    passes, fails = (
        ("pass" if len(passing) > 1 else "passes"),
        ("fail" if len(failing) > 1 else "fails"),
    )
    return (
        f"{_names(passing).lower()} {passes} it, {_names(failing).lower()} {fails} it"
    )


def _where(contenders: Sequence[Case]) -> str:
    """The file where the best ones differ, or that the only one changes."""
    changed = [set(case.verdict.paths) for case in contenders]
    paths = sorted(set.intersection(*changed) or set.union(*changed))
    if not paths:
        return ""
    verb = (
        f", which {_names(contenders).lower()} change differently"
        if len(contenders) > 1
        else ""
    )
    return f" and exercises `{paths[0]}`{verb}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _names(cases: Sequence[Case]) -> str:
    numbers = sorted(case.number for case in cases)
    return f"Variation{'s' if len(numbers) > 1 else ''} {_joined([str(number) for number in numbers])}"


def _joined(parts: Sequence[str]) -> str:
    if len(parts) < 2:
        return "".join(parts)
    return f"{', '.join(parts[:-1])} and {parts[-1]}"
