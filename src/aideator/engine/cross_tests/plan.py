"""The plan of cross-tests: variations, the tests they wrote, and results so far."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from aideator.changes.patch import Patch
from aideator.domain.check import Measurement
from aideator.domain.ranking import Cost, CrossOutcome, CrossTest, Evidence
from aideator.selection.cross_tests import (
    Bundle,
    OwnTest,
    always_passing,
    outcome_of_runs,
)

BASE = 0
"""The number of the base among the variations, which count from 1."""
MAX_TESTS = 200
"""Tests that one variation may bring."""


@dataclass(frozen=True)
class SharedTest:
    """One test, with every variation that wrote it word for word the same."""

    test: OwnTest
    authors: tuple[int, ...]
    owner: int | None
    """The author whose test files are used; None if the test does not pass each time on
    any of its authors."""


def merge_tests(
    written: Mapping[int, Sequence[OwnTest]],
    measured: Mapping[int, Mapping[str, Measurement]],
) -> list[SharedTest]:
    """Return each test once, in the order in which variations and reports name them.

    Args:
        written: The tests of each variation.
        measured: What the checks said on each variation.
    """
    passing: dict[tuple[int, str], set[str]] = {}
    for number, checks in measured.items():
        for label, measurement in checks.items():
            passing[number, label] = always_passing(measurement)
    authors: dict[tuple[object, ...], list[tuple[int, OwnTest]]] = {}
    for number, tests in written.items():
        for test in tests:
            authors.setdefault(test.key, []).append((number, test))
    merged = []
    for found in authors.values():
        owners = (n for n, t in found if t.result.test in passing[n, t.check])
        numbers = tuple(number for number, _ in found)
        merged.append(SharedTest(found[0][1], numbers, next(owners, None)))
    return merged


@dataclass
class CrossTestPlan:
    """The cross-tests of one run, with their results so far.

    Attributes:
        numbers: The variations that finished.
        patches: The change of each; those that changed nothing are left out.
        measured: What the checks said on each changed variation.
        tests: Every test that a variation wrote.
        paths: The files that go along with the tests of each author.
        results: (tree, owner) → what the owner's tests said there, by check.
        cost: What was spent.
        notes: What a reader should know.
    """

    numbers: tuple[int, ...]
    patches: Mapping[int, Patch]
    measured: Mapping[int, Mapping[str, Measurement]]
    tests: Sequence[SharedTest]
    paths: Mapping[int, tuple[str, ...]]
    results: dict[tuple[int, int], dict[str, Measurement]] = field(default_factory=dict)
    cost: Cost = field(default_factory=Cost)
    notes: list[str] = field(default_factory=list)

    @cached_property
    def trees(self) -> dict[int, int]:
        """The tree of each variation, named by the first variation with the same one.

        A variation without a change has the base's tree.
        """
        first: dict[bytes, int] = {}
        return {
            number: first.setdefault(self.patches[number].data, number)
            if number in self.patches
            else BASE
            for number in (BASE, *self.numbers)
        }

    @cached_property
    def bundles(self) -> dict[int, Bundle]:
        """The tests that are run, by owner."""
        own = {
            number: [each.test for each in self.tests if each.owner == number]
            for number in self.patches
        }
        return {
            number: Bundle(number, self.paths[number], tuple(tests[:MAX_TESTS]))
            for number, tests in own.items()
            if tests
        }

    def jobs(self) -> Iterator[tuple[int, list[Bundle]]]:
        """Yield each tree with the tests to run there."""
        for tree in dict.fromkeys(self.trees.values()):
            yield (
                tree,
                [
                    bundle
                    for owner, bundle in self.bundles.items()
                    if self.trees[owner] != tree
                ],
            )

    def spend(
        self,
        *,
        sandboxes: int = 0,
        seconds: float = 0.0,
        cached: int = 0,
        left_out: int = 0,
    ) -> None:
        """Add to the cost."""
        self.cost = Cost(
            sandboxes=self.cost.sandboxes + sandboxes,
            seconds=round(self.cost.seconds + seconds, 3),
            cached=self.cost.cached + cached,
            left_out=self.cost.left_out + left_out,
        )

    def note(self, text: str) -> None:
        """Add a note, once."""
        if text not in self.notes:
            self.notes.append(text)

    def evidence(self) -> Evidence:
        """Return what has been found out so far."""
        return Evidence(
            cross_tests=tuple(self._cross_test(test) for test in self.tests),
            cost=self.cost,
            notes=tuple(self.notes),
        )

    def _cross_test(self, shared: SharedTest) -> CrossTest:
        said = {n: self._outcome(shared, n) for n in (BASE, *self.numbers)}
        return CrossTest(
            check=shared.test.check,
            test=shared.test.result.test,
            file=shared.test.result.file,
            authors=shared.authors,
            base=said[BASE][0],
            outcomes={number: said[number][0] for number in self.numbers},
            stable=all(stable for _, stable, _ in said.values()),
            messages={
                number: said[number][2] for number in self.numbers if said[number][2]
            },
        )

    def _outcome(
        self, shared: SharedTest, number: int
    ) -> tuple[CrossOutcome, bool, str]:
        check, test = shared.test.check, shared.test.result.test
        if number in shared.authors:
            return outcome_of_runs(self.measured[number].get(check), test)
        tree = self.trees[number]
        if shared.owner is not None and self.trees[shared.owner] == tree:
            return outcome_of_runs(self.measured[shared.owner].get(check), test)
        results = self.results.get((tree, shared.owner or BASE), {})
        return outcome_of_runs(results.get(check), test)
