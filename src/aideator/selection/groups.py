"""Which variations behave alike, as far as tests can tell."""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import NamedTuple

from aideator.domain.check import TestOutcome
from aideator.domain.ranking import CrossOutcome, CrossTest
from aideator.domain.verdict import Change, CheckChange, TestChange, Verdict

DECIDING = frozenset({"test", "build"})
"""The kinds of checks that decide; lint and types are shown only."""

_PASSES = {
    Change.FIXED: True,
    Change.STILL_PASSING: True,
    Change.BROKEN: False,
    Change.STILL_FAILING: False,
}
"""What a change says about a test of the base that was run again. The others compare
nothing."""

Answers = Mapping[Hashable, bool | None]
"""By test: whether the variation passes it; null where it cannot be compared or is not
to be trusted."""


class Grouping(NamedTuple):
    """Who behaves like whom.

    Ids in order; the largest group first, then the one with the lowest id.
    """

    groups: tuple[tuple[int, ...], ...]
    identical: tuple[tuple[int, ...], ...]
    """Those with the same patch, where there are two or more."""
    agreement: float | None
    """The largest group's share of all variations; null where no test says more than
    that the base still works."""


def group(verdicts: Sequence[Verdict], tests: Sequence[CrossTest]) -> Grouping:
    """Put variations together that agree on every test and cross-test that can be compared on all of them.

    A variation that changed nothing behaves like the base, and like no other.
    """
    changed = [verdict for verdict in verdicts if not verdict.unchanged]
    answers = {verdict.variation_id: _answers(verdict, tests) for verdict in changed}
    shared = _comparable(changed, tests, answers)
    alike: defaultdict[Hashable, list[int]] = defaultdict(list)
    for verdict in verdicts:
        number = verdict.variation_id
        key = (
            None
            if verdict.unchanged
            else tuple(answers[number].get(test, True) for test in shared)
        )
        alike[key].append(number)
    groups = _in_order(alike.values())
    telling = any(_differs_from_base(test, shared[test], answers) for test in shared)
    return Grouping(
        groups, _identical(changed), len(groups[0]) / len(verdicts) if telling else None
    )


def _in_order(groups: Iterable[list[int]]) -> tuple[tuple[int, ...], ...]:
    return tuple(
        sorted((tuple(sorted(ids)) for ids in groups), key=lambda ids: (-len(ids), ids))
    )


def _identical(verdicts: Iterable[Verdict]) -> tuple[tuple[int, ...], ...]:
    same: defaultdict[str, list[int]] = defaultdict(list)
    for verdict in verdicts:
        same[verdict.fingerprint].append(verdict.variation_id)
    return _in_order(ids for print_, ids in same.items() if print_ and len(ids) > 1)


def _answers(
    verdict: Verdict, tests: Sequence[CrossTest]
) -> dict[Hashable, bool | None]:
    own: dict[Hashable, bool | None] = {}
    for check in verdict.checks:
        if check.kind in DECIDING:
            own |= _of_check(check)
    for number, test in enumerate(tests):
        outcome = test.outcomes.get(verdict.variation_id, CrossOutcome.NOT_COMPARABLE)
        comparable = test.stable and outcome is not CrossOutcome.NOT_COMPARABLE
        own[number] = (outcome is CrossOutcome.PASS) if comparable else None
    return own


def _of_check(check: CheckChange) -> dict[Hashable, bool | None]:
    if not check.counts:
        return {(check.check, None): _PASSES.get(check.change)}
    # A test that only this variation has is compared as a cross-test, or not at all.
    return {
        (check.check, row.test): _PASSES.get(row.change)
        for row in check.tests
        if row.change is not Change.NEW
    }


def _comparable(
    verdicts: Iterable[Verdict],
    tests: Sequence[CrossTest],
    answers: Mapping[int, Answers],
) -> dict[Hashable, bool]:
    """The tests that everyone answers, with the base's own answer.

    A verdict lists the tests that changed or do not pass: one that is missing still
    passes if it passed on the base.
    """
    base = {
        number: test.base is CrossOutcome.PASS for number, test in enumerate(tests)
    } | _on_the_base(verdicts)
    every = {test for own in answers.values() for test in own}
    return {
        test: base[test]
        for test in sorted(every, key=repr)
        if all(
            own.get(test, base[test] or None) is not None for own in answers.values()
        )
    }


def _on_the_base(verdicts: Iterable[Verdict]) -> dict[Hashable, bool]:
    base: dict[Hashable, bool] = {}
    for check in (check for verdict in verdicts for check in verdict.checks):
        whole = check.change in {Change.STILL_PASSING, Change.BROKEN}
        for test, passed in [
            (None, whole),
            *((row.test, _passed_before(row)) for row in check.tests),
        ]:
            base[check.check, test] = base.get((check.check, test), True) and passed
    return base


def _passed_before(row: TestChange) -> bool:
    if row.before is not None:
        return row.before is TestOutcome.PASSED
    return row.change in {Change.BROKEN, Change.STILL_PASSING}


def _differs_from_base(
    test: Hashable,
    base: bool,  # noqa: FBT001 - an answer of the base, not a switch
    answers: Mapping[int, Answers],
) -> bool:
    return any(own.get(test, True) is not base for own in answers.values())
