"""What a cross-examination is about: the variations, the tests that they wrote, and what is known of them so far."""

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
class Entry:
    """One test, with everybody who wrote it word for word the same."""

    test: OwnTest
    authors: tuple[int, ...]
    owner: int | None
    """The author whose files are laid over other trees; None if it does not pass on any
    author each time."""


def entries(
    written: Mapping[int, Sequence[OwnTest]],
    measured: Mapping[int, Mapping[str, Measurement]],
) -> list[Entry]:
    """Each test once, in the order in which variations and their reports name them."""
    good = {
        (n, label): always_passing(said)
        for n, checks in measured.items()
        for label, said in checks.items()
    }
    authors: dict[tuple[object, ...], list[tuple[int, OwnTest]]] = {}
    for number, tests in written.items():
        for test in tests:
            authors.setdefault(test.key, []).append((number, test))
    return [
        Entry(
            found[0][1],
            tuple(number for number, _ in found),
            next((n for n, t in found if t.result.test in good[n, t.check]), None),
        )
        for found in authors.values()
    ]


@dataclass
class Docket:
    """One cross-examination."""

    numbers: tuple[int, ...]
    """The variations that came to an end."""
    patches: Mapping[int, Patch]
    """The change of each; those that changed nothing are not here."""
    measured: Mapping[int, Mapping[str, Measurement]]
    """What the checks said about each of them."""
    entries: Sequence[Entry]
    paths: Mapping[int, tuple[str, ...]]
    """The files that go along with the tests of each author."""
    answers: dict[tuple[int, int], dict[str, Measurement]] = field(default_factory=dict)
    """(tree, owner) → what the owner's tests said there, by check."""
    cost: Cost = field(default_factory=Cost)
    notes: list[str] = field(default_factory=list)

    @cached_property
    def trees(self) -> dict[int, int]:
        """The tree that each variation is, named by the first that has the same; without a change it is the base."""
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
            number: [each.test for each in self.entries if each.owner == number]
            for number in self.patches
        }
        return {
            number: Bundle(number, self.paths[number], tuple(tests[:MAX_TESTS]))
            for number, tests in own.items()
            if tests
        }

    def wanted(self) -> Iterator[tuple[int, list[Bundle]]]:
        """For each tree, whose tests are to be run there."""
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
        """Say something, once."""
        if text not in self.notes:
            self.notes.append(text)

    def evidence(self) -> Evidence:
        """What has been found out so far."""
        return Evidence(
            cross_tests=tuple(self._cross_test(entry) for entry in self.entries),
            cost=self.cost,
            notes=tuple(self.notes),
        )

    def _cross_test(self, entry: Entry) -> CrossTest:
        said = {number: self._answer(entry, number) for number in (BASE, *self.numbers)}
        return CrossTest(
            check=entry.test.check,
            test=entry.test.result.test,
            file=entry.test.result.file,
            authors=entry.authors,
            base=said[BASE][0],
            outcomes={number: said[number][0] for number in self.numbers},
            stable=all(stable for _, stable, _ in said.values()),
            messages={
                number: said[number][2] for number in self.numbers if said[number][2]
            },
        )

    def _answer(self, entry: Entry, number: int) -> tuple[CrossOutcome, bool, str]:
        check, test = entry.test.check, entry.test.result.test
        if number in entry.authors:
            return outcome_of_runs(self.measured[number].get(check), test)
        tree = self.trees[number]
        if entry.owner is not None and self.trees[entry.owner] == tree:
            return outcome_of_runs(self.measured[entry.owner].get(check), test)
        return outcome_of_runs(
            self.answers.get((tree, entry.owner or BASE), {}).get(check), test
        )
