"""Word the ranking: a sentence for each reason, with the figures that it rests on.

Where nothing is recommended, also the next step that would settle it. The words for
single facts are in `domain/wording.py`.
"""

from collections.abc import Iterator, Sequence
from itertools import chain

from aideator.domain.check import FAILING
from aideator.domain.ranking import (
    Confidence,
    CrossOutcome,
    CrossTest,
    Evidence,
    Ranking,
)
from aideator.domain.verdict import Change, CheckChange, Verdict
from aideator.domain.wording import (
    CANNOT_TELL,
    count,
    joined,
    opinion,
    quoted,
    variations,
)
from aideator.selection.confidence import RULE, Places
from aideator.selection.scores import (
    ScoredVariation,
    changed_checks,
    changed_tests,
    count_changed,
    count_changed_tests,
    deciding_checks,
)


def explain_no_variation() -> Ranking:
    """Return the ranking of a run in which no variation finished."""
    return Ranking(
        order=(),
        recommended=None,
        confidence=Confidence.OPEN,
        reasons=("No variation came to an end, so there is nothing to recommend.",),
        rule=RULE,
        settle="See why they failed, and ask again.",
    )


def explain(places: Places, evidence: Evidence, confidence: Confidence) -> Ranking:
    """Return the ranking with its reasons in words.

    Args:
        places: The variations, best first; those that nothing tells apart share a
            place.
        evidence: What their order rests on.
        confidence: How well it supports the first one.
    """
    everyone = _flat(places)
    is_open = confidence is Confidence.OPEN
    return Ranking(
        order=tuple(scored.number for scored in everyone),
        recommended=None if is_open else everyone[0].number,
        confidence=confidence,
        reasons=tuple(_reasons(places, evidence, is_open=is_open)),
        rule=RULE,
        settle=_next_step(places, evidence) if is_open else "",
        standings=tuple(scored.standing for scored in everyone),
    )


def _flat(places: Places) -> list[ScoredVariation]:
    return [*chain.from_iterable(places)]


def _reasons(places: Places, evidence: Evidence, *, is_open: bool) -> Iterator[str]:
    everyone = _flat(places)
    first = everyone[0]
    if first.standing.gate:
        for scored in everyone:
            yield _what_is_gated(scored)
    else:
        yield from _praise(places, evidence)
        for scored in everyone[len(places[0]) :]:
            yield _why_behind(scored, first)
    if evidence.opinion is not None:
        yield opinion(evidence.opinion)
    if first.standing.gate:
        yield "None is good enough to recommend."
    elif is_open:
        yield f"{CANNOT_TELL}: {_what_is_missing(places)}."


def _praise(places: Places, evidence: Evidence) -> Iterator[str]:
    """Yield what the first variation proves, its equals, and caveats."""
    first = places[0][0]
    if not first.verdict.checks and not first.cross_compared:
        yield "No checks were run, so nothing is proven."
    yield f"{_name(first)} {_proof(first, len(_flat(places)))}."
    yield from _ties(places[0], evidence)
    yield from _caveats(first)


def _name(scored: ScoredVariation) -> str:
    return variations([scored.number])


def _names(several: Sequence[ScoredVariation]) -> str:
    return variations(scored.number for scored in several)


def _proof(scored: ScoredVariation, total: int) -> str:
    """Return what running it has shown, as a verb phrase."""
    parts = list(_test_results(scored))
    peers = scored.peer_tests
    if scored.cross_compared:
        tests = count(scored.cross_compared, "cross-test")
        parts.append(f"passes {scored.cross_passed} of {tests}")
    elif peers.passed:
        tests = count(peers.compared, "test")
        parts.append(f"passes {peers.passed} of {tests} that others wrote")
    shown = joined(parts) if parts else "changes files"
    alike = round(scored.standing.group_share * total)
    if alike > 1:
        return f"{shown}; {alike} of {total} variations behave alike"
    return shown


def _test_results(scored: ScoredVariation) -> Iterator[str]:
    broken = scored.standing.broken
    if failed_before := [*_fixed_of_all(scored.verdict)]:
        yield f"fixes {joined(failed_before)} that failed on the base"
    passing = count_changed(scored.verdict, Change.STILL_PASSING)
    if broken:
        yield f"breaks {broken} of {passing + broken} that passed"
    elif passing:
        yield f"breaks none of {passing} that passed"


def _fixed_of_all(verdict: Verdict) -> Iterator[str]:
    """Yield how many tests are fixed, and how many checks by their exit codes."""
    tests, checks = (
        [count_changed_tests(verdict, change) for change in _FAILED_BEFORE],
        [len(changed_checks(verdict, change)) for change in _FAILED_BEFORE],
    )
    for (fixed, left), noun in ((tests, "test"), (checks, "check")):
        if fixed + left:
            yield f"{fixed} of {count(fixed + left, noun)}"


_FAILED_BEFORE = (Change.FIXED, Change.STILL_FAILING)


def _ties(equals: Sequence[ScoredVariation], evidence: Evidence) -> Iterator[str]:
    if len(equals) > 1:
        yield (
            f"{_names(equals)} prove the same; nothing that was run tells them apart."
        )
    numbers = {scored.number for scored in equals}
    for same in evidence.identical:
        if numbers.issuperset(same):
            yield f"{variations(same)} made the same change."


def _caveats(scored: ScoredVariation) -> Iterator[str]:
    if gone := count_changed(scored.verdict, Change.GONE):
        missing = quoted(changed_tests(scored.verdict, Change.GONE), gone)
        tests, name = count(gone, "test"), _name(scored).lower()
        yield f"{tests} of the base did not run with {name}: {missing}."
    if asked := [flag.path for flag in scored.verdict.flags if flag.asked_for]:
        yield (
            f"{_name(scored)} edits an expectation that the task asks for"
            f" ({quoted(list(dict.fromkeys(asked)))})."
        )
    for check in deciding_checks(scored.verdict):
        if _fails_by_exit_code_alone(check):
            yield f"`{check.check}` still fails, though none of its tests does."
    if flaky := changed_tests(scored.verdict, Change.FLAKY):
        yield (
            f"{quoted(flaky)} said different things on the same tree, "
            "and decided nothing."
        )


def _fails_by_exit_code_alone(check: CheckChange) -> bool:
    fails = check.change is Change.STILL_FAILING and bool(check.counts)
    return fails and not any(row.after in FAILING for row in check.tests)


def _what_is_gated(scored: ScoredVariation) -> str:
    standing = scored.standing
    shown = joined(list(_test_results(scored))) if standing.flagged else ""
    if shown:
        return f"{_name(scored)} {shown}, but {standing.gate}."
    return f"{_name(scored)} {standing.gate}."


def _why_behind(scored: ScoredVariation, first: ScoredVariation) -> str:
    """Return why a variation comes after the first one, which has no gate."""
    standing, name = scored.standing, _name(scored)
    if standing.gate:
        return _what_is_gated(scored)
    if standing.fixed < first.standing.fixed:
        left = quoted(
            changed_tests(scored.verdict, Change.STILL_FAILING), scored.still_failing
        )
        rest = f": it leaves {left} failing" if left else ""
        return f"{name} fixes fewer ({standing.fixed}){rest}."
    if scored.cross_compared and scored.cross_score < first.cross_score:
        tests = count(scored.cross_compared, "cross-test")
        return f"{name} passes {scored.cross_passed} of {tests}, of less weight."
    return f"{name} passes about as much, but fewer behave as it does."


def _what_is_missing(places: Places) -> str:
    first = places[0][0]
    if not first.verdict.checks and not first.peer_tests.compared:
        return "nothing was run"
    if first.standing.fixed:
        return "another one fixes what it leaves failing"
    if first.cross_compared:
        return "too few tests of others stand behind it"
    if len(_flat(places)) > 1:
        return "no test separates them"
    return "no test fails without it"


def _next_step(places: Places, evidence: Evidence) -> str:
    """Return what would settle it, where nothing can be recommended."""
    first = places[0][0]
    if first.standing.gate:
        return _next_step_at_gate(first)
    candidates = [scored for scored in _flat(places) if not scored.standing.gate]
    if len(candidates) > 1 and first.standing.fixed:
        other = _complement(first, candidates[1:])
        return (
            f"Compose variations {first.number} and {other.number}, "
            "or ask one of them to fix the rest too."
        )
    if test := _heaviest_dispute(evidence.cross_tests, candidates):
        return (
            f"Say whether `{test.test}` ({test.file}) is right: "
            f"{_who_passes(test, candidates)}."
        )
    return (
        f"One more test that fails on the base{_where_to_test(candidates)}. "
        "It would gain more than another agent."
    )


def _next_step_at_gate(first: ScoredVariation) -> str:
    if first.standing.flagged:
        return (
            f"Look at what is flagged in variation {first.number}; "
            "if it is meant so, let it pass."
        )
    if first.verdict.unchanged:
        return "Say more exactly what shall change and where, and ask again."
    return f"Ask variation {first.number} to mend what it breaks; it comes nearest."


def _complement(
    first: ScoredVariation, others: Sequence[ScoredVariation]
) -> ScoredVariation:
    """Return the best one that fixes what the first leaves failing, or the best one."""
    left = set(changed_tests(first.verdict, Change.STILL_FAILING))
    for other in others:
        if not left.isdisjoint(changed_tests(other.verdict, Change.FIXED)):
            return other
    return others[0]


def _heaviest_dispute(
    tests: Sequence[CrossTest], candidates: Sequence[ScoredVariation]
) -> CrossTest | None:
    """Return the weightiest test that some candidates pass and others fail."""
    disputed = [test for test in tests if test.weight and _splits(test, candidates)]
    return max(disputed, key=lambda test: (test.weight, test.test), default=None)


def _splits(test: CrossTest, candidates: Sequence[ScoredVariation]) -> bool:
    found = {test.outcomes.get(scored.number) for scored in candidates}
    return {CrossOutcome.PASS, CrossOutcome.FAIL} <= found


def _who_passes(test: CrossTest, candidates: Sequence[ScoredVariation]) -> str:
    outcomes = test.outcomes
    passing = [s for s in candidates if outcomes.get(s.number) is CrossOutcome.PASS]
    failing = [s for s in candidates if outcomes.get(s.number) is CrossOutcome.FAIL]
    passes = "pass" if len(passing) > 1 else "passes"
    fails = "fail" if len(failing) > 1 else "fails"
    return (
        f"{_names(passing).lower()} {passes} it, {_names(failing).lower()} {fails} it"
    )


def _where_to_test(candidates: Sequence[ScoredVariation]) -> str:
    """Return a file that all candidates change, or else one that any changes."""
    changed = [set(scored.verdict.paths) for scored in candidates]
    paths = sorted(set.intersection(*changed) or set.union(*changed))
    if not paths:
        return ""
    where = f" and exercises `{paths[0]}`"
    if len(candidates) == 1:
        return where
    return f"{where}, which {_names(candidates).lower()} change differently"
