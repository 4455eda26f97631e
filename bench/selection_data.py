"""Draw runs of N variations from real solutions with generated tests and truth.

The data: Microsoft's CodeT release (MIT), HumanEval tasks, 100 solutions and 100
batches of assertions a task by CodeGen-16B, executed; booleans only. `truth` and
`tests_right` are for scoring (and for sampling better tests) alone.
"""

import gzip
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from aideator.domain.ranking import CrossOutcome, CrossTest, Evidence
from aideator.domain.verdict import Change, CheckChange, PatchStats, TestChange, Verdict
from aideator.selection.weights import weigh_cross_tests

DATA = Path(__file__).parent / "data" / "humaneval_codegen16b_dev.jsonl.gz"


@dataclass(frozen=True)
class Task:
    """One task: what each candidate passes."""

    name: str
    truth: tuple[bool, ...]
    identical: tuple[int, ...]
    matrix: tuple[tuple[bool, ...], ...]
    existing: tuple[tuple[bool, ...], ...]
    right: tuple[bool, ...]
    batches: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Column:
    """A way in which tests come about."""

    name: str
    tests: str
    """`drawn` from the real batches; a number: that share of right ones; `self`: what
    their author passes anyway;
    `sparse`: the batch of the candidate's own number, mostly empty."""
    existing: bool = False
    """Whether the project's own tests (the task's visible examples) are run first."""
    authored: bool = False
    """Whether each batch is its candidate's own work, so that a test must pass on it to
    be admitted, for every selector. CodeT drew tests from the task alone: else a batch
    has an author who is not in the run."""


@dataclass(frozen=True)
class Draw:
    """One simulated run."""

    truth: tuple[bool, ...]
    identical: tuple[int, ...]
    existing: tuple[tuple[bool, ...], ...]
    matrix: tuple[tuple[bool, ...], ...]
    """By candidate: which tests it passes."""
    owners: tuple[tuple[int, ...], ...]
    """By test: the positions of the candidates (or of the authors beside them) whose
    batches hold it."""
    authored: bool

    @cached_property
    def verdicts(self) -> list[Verdict]:
        """The run as the product records it: the base fails each existing test."""
        return [self._verdict(number) for number in range(len(self.truth))]

    def _verdict(self, index: int) -> Verdict:
        rows = [
            TestChange(
                test=f"example {number}",
                change=Change.FIXED if passed else Change.STILL_FAILING,
            )
            for number, passed in enumerate(self.existing[index])
        ]
        counts = {
            change: n
            for change in Change
            if (n := sum(row.change is change for row in rows))
        }
        whole = Change.FIXED if all(self.existing[index]) else Change.STILL_FAILING
        check = CheckChange(
            check="tests", change=whole, counts=counts, tests=tuple(rows)
        )
        return Verdict(
            variation_id=index + 1,
            patch=PatchStats(files=1),
            fingerprint=str(self.identical[index]),
            checks=(check,) if rows else (),
        )

    @cached_property
    def evidence(self) -> Evidence:
        """The tests as the product records them."""
        size = len(self.truth)
        return Evidence(
            cross_tests=weigh_cross_tests(
                [
                    CrossTest(
                        check="tests",
                        test=f"assertion {number}",
                        file="test_task.py",
                        authors=tuple(
                            owner + 1 + (0 if self.authored else size)
                            for owner in owners
                        ),
                        base=CrossOutcome.FAIL,
                        outcomes={
                            n + 1: CrossOutcome.PASS
                            if row[number]
                            else CrossOutcome.FAIL
                            for n, row in enumerate(self.matrix)
                        },
                    )
                    for number, owners in enumerate(self.owners)
                ]
            )
        )


def load(path: Path = DATA) -> list[Task]:
    """Read the tasks."""
    with gzip.open(path, "rt") as lines:
        return [_task(json.loads(line)) for line in lines]


def _task(row: dict[str, object]) -> Task:
    def passes(marks: object, good: str = "P") -> tuple[bool, ...]:
        return tuple(mark == good for mark in str(marks))

    def table(rows: object) -> tuple[tuple[bool, ...], ...]:
        assert isinstance(rows, list)
        return tuple(passes(marks) for marks in rows)

    identical, batches = row["identical"], row["own_tests"]
    assert isinstance(identical, list)
    assert isinstance(batches, list)
    return Task(
        name=str(row["task"]),
        truth=passes(row["truth"], "1"),
        identical=tuple(identical),
        matrix=table(row["matrix"]),
        existing=table(row["existing"]),
        right=passes(row["tests_right"]),
        batches=tuple(tuple(batch) for batch in batches),
    )


def draws(task: Task, column: Column, size: int, count: int) -> Iterator[Draw]:
    """So many runs of this size, the same for every selector and in every process."""
    for number in range(count):
        rng = random.Random(f"{task.name}/{column.tests}/{size}/{number}")
        yield _draw(task, column, size, rng)


def _draw(task: Task, column: Column, size: int, rng: random.Random) -> Draw:
    chosen = rng.sample(range(len(task.truth)), size)
    owned = _by_owner(_batches(task, column.tests, chosen, rng))
    if column.authored:  # a test has to pass on one of those who wrote it
        rows = [task.matrix[k] for k in chosen]
        owned = {t: of for t, of in owned.items() if any(rows[k][t] for k in of)}
    tests = list(owned)
    nothing = ((),) * size
    return Draw(
        truth=tuple(task.truth[k] for k in chosen),
        identical=tuple(task.identical[k] for k in chosen),
        existing=tuple(task.existing[k] for k in chosen)
        if column.existing
        else nothing,
        matrix=tuple(tuple(task.matrix[k][test] for test in tests) for k in chosen),
        owners=tuple(owned.values()),
        authored=column.authored,
    )


def _batches(
    task: Task, kind: str, chosen: list[int], rng: random.Random
) -> list[tuple[int, ...]]:
    if kind == "drawn":
        return _real_batches(task, len(chosen), rng)
    return [_batch(task, kind, candidate, rng) for candidate in chosen]


def _by_owner(batches: list[tuple[int, ...]]) -> dict[int, tuple[int, ...]]:
    """Return who wrote each test, by test in order."""
    owned: dict[int, tuple[int, ...]] = {}
    for owner, batch in enumerate(batches):
        for test in dict.fromkeys(batch):
            owned[test] = (*owned.get(test, ()), owner)
    return dict(sorted(owned.items()))


def _real_batches(task: Task, size: int, rng: random.Random) -> list[tuple[int, ...]]:
    written = [batch for batch in task.batches if batch]
    if not written:
        return [()] * size
    few = min(size, len(written))
    return rng.sample(written, few) + [rng.choice(written) for _ in range(size - few)]


def _batch(
    task: Task, kind: str, candidate: int, rng: random.Random
) -> tuple[int, ...]:
    every = range(len(task.right))
    match kind:
        case "sparse":
            return task.batches[candidate]
        case "self":
            own = [test for test in every if task.matrix[candidate][test]]
            return tuple(rng.sample(own, min(3, len(own))))
        case share:
            return _mixed_batch(task, float(share), rng)


def _mixed_batch(task: Task, share: float, rng: random.Random) -> tuple[int, ...]:
    """Return up to four tests, of which this share is right on average."""
    right = [test for test, is_right in enumerate(task.right) if is_right]
    wrong = [test for test, is_right in enumerate(task.right) if not is_right]
    pools = []
    for _ in range(4):
        takes_right = right and (not wrong or rng.random() < share)
        pools.append(right if takes_right else wrong)
    return tuple(sorted({rng.choice(pool) for pool in pools if pool}))
