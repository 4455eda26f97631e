"""Behaviour groups: which variations behave alike, as far as tests can tell."""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import NamedTuple

from aideator.domain.check import TestOutcome
from aideator.domain.ranking import CrossOutcome, CrossTest
from aideator.domain.verdict import Change, CheckChange, TestChange, Verdict

DECIDING_KINDS = frozenset({"test", "build"})
"""The kinds of checks that decide; lint and types are shown only."""

_PASSES = {
    Change.FIXED: True,
    Change.STILL_PASSING: True,
    Change.BROKEN: False,
    Change.STILL_FAILING: False,
}
"""Whether a test of the base passes now. Other changes compare nothing."""

Answers = Mapping[Hashable, bool | None]
"""By test: whether the variation passes it; None where it cannot be compared, or is
flaky. The key of a test is (check, test), of a check as a whole (check, None), of a
cross-test its index."""


class Grouping(NamedTuple):
    """The behaviour groups of all variations; the fields are those of `Evidence`.

    Ids in order; the largest group first, then the one with the lowest id.
    """

    groups: tuple[tuple[int, ...], ...]
    identical: tuple[tuple[int, ...], ...]
    """Variations with the same patch, where there are two or more."""
    agreement: float | None
    """The largest group's share of all variations; None where no test shows more than
    that the base still works (decision record 0044)."""


def group(verdicts: Sequence[Verdict], tests: Sequence[CrossTest]) -> Grouping:
    """Group variations that agree on every test that can be compared on all of them.

    A variation that changed nothing behaves like the base, and like no other. This is
    clustering by behaviour, as AlphaCode does with generated inputs (Li et al. 2022,
    arXiv 2203.07814), here with tests of the project and of the variations.
    """
    changed = [verdict for verdict in verdicts if not verdict.unchanged]
    answers = {verdict.variation_id: _answers(verdict, tests) for verdict in changed}
    shared = _comparable(changed, tests, answers)
    alike: defaultdict[Hashable, list[int]] = defaultdict(list)
    for verdict in verdicts:
        number = verdict.variation_id
        key: Hashable = None
        if not verdict.unchanged:
            key = tuple(answers[number].get(test, True) for test in shared)
        alike[key].append(number)
    groups = _largest_first(alike.values())
    agreement = None
    if any(_differs_from_base(test, base, answers) for test, base in shared.items()):
        agreement = len(groups[0]) / len(verdicts)
    return Grouping(groups, _identical(changed), agreement)


def _largest_first(groups: Iterable[list[int]]) -> tuple[tuple[int, ...], ...]:
    return tuple(
        sorted((tuple(sorted(ids)) for ids in groups), key=lambda ids: (-len(ids), ids))
    )


def _identical(verdicts: Iterable[Verdict]) -> tuple[tuple[int, ...], ...]:
    same: defaultdict[str, list[int]] = defaultdict(list)
    for verdict in verdicts:
        if verdict.fingerprint:
            same[verdict.fingerprint].append(verdict.variation_id)
    return _largest_first(ids for ids in same.values() if len(ids) > 1)


def _answers(
    verdict: Verdict, tests: Sequence[CrossTest]
) -> dict[Hashable, bool | None]:
    answers: dict[Hashable, bool | None] = {}
    for check in verdict.checks:
        if check.kind in DECIDING_KINDS:
            answers |= _answers_of_check(check)
    for index, test in enumerate(tests):
        outcome = test.outcomes.get(verdict.variation_id, CrossOutcome.NOT_COMPARABLE)
        comparable = test.stable and outcome is not CrossOutcome.NOT_COMPARABLE
        answers[index] = (outcome is CrossOutcome.PASS) if comparable else None
    return answers


def _answers_of_check(check: CheckChange) -> dict[Hashable, bool | None]:
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
    """Return the tests that every variation answers, each with the base's answer.

    A verdict lists the tests that changed or do not pass: one that is missing still
    passes if it passed on the base.
    """
    base = _answers_of_base(verdicts)
    for index, test in enumerate(tests):
        base[index] = test.base is CrossOutcome.PASS
    asked = set[Hashable]().union(*answers.values())
    return {
        test: base[test]
        for test in sorted(asked, key=repr)
        if _is_answered(test, answers, passes_on_base=base[test])
    }


def _is_answered(
    test: Hashable, answers: Mapping[int, Answers], *, passes_on_base: bool
) -> bool:
    """Return whether every variation answers the test."""
    if passes_on_base:
        return all(own.get(test, True) is not None for own in answers.values())
    return all(own.get(test) is not None for own in answers.values())


def _answers_of_base(verdicts: Iterable[Verdict]) -> dict[Hashable, bool]:
    """Return what the base passes, as far as the verdicts say: all must agree."""
    base: dict[Hashable, bool] = {}

    def add(key: Hashable, *, passed: bool) -> None:
        base[key] = base.get(key, True) and passed

    for verdict in verdicts:
        for check in verdict.checks:
            whole = check.change in {Change.STILL_PASSING, Change.BROKEN}
            add((check.check, None), passed=whole)
            for row in check.tests:
                add((check.check, row.test), passed=_passed_on_base(row))
    return base


def _passed_on_base(row: TestChange) -> bool:
    if row.before is not None:
        return row.before is TestOutcome.PASSED
    return row.change in {Change.BROKEN, Change.STILL_PASSING}


def _differs_from_base(
    test: Hashable,
    base: bool,  # noqa: FBT001 - an answer of the base, not a switch
    answers: Mapping[int, Answers],
) -> bool:
    return any(own.get(test, True) is not base for own in answers.values())
