"""Compare our ranking with other selectors on real candidates of known truth.

    python -m bench.selection [draws per task] [data.jsonl.gz]

Told is the share of the distance from a random pick to a perfect one that each selector
closes, N = 3/5/10; how often our pick is right by confidence; and paired bootstrap
intervals over tasks. Our row is `selection.rank.rank` on the product's own verdicts and
cross-tests. What the figures can say and cannot is in docs/decisions, record 0041.
"""

import random
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from statistics import fmean

from aideator.domain.ranking import Confidence, Ranking
from aideator.selection.rank import rank, tied_for_first
from bench.selection_data import DATA, Column, Draw, Task, draws, load
from bench.selection_rivals import SELECTORS

SIZES = (3, 5, 10)
OURS = "OURS: rank()"
COLUMNS = (
    Column("weak", "drawn"),
    Column("70 % right", "0.7"),
    Column("90 % right", "0.9"),
    Column("weak + existing", "drawn", existing=True),
    Column("90 % + existing", "0.9", existing=True),
    Column("self-serving", "self", authored=True),
    Column("self + existing", "self", existing=True, authored=True),
    Column("weak, own work", "drawn", authored=True),
    Column("90 %, own work", "0.9", authored=True),
)
RESAMPLES = 2000


@dataclass
class Tally:
    """Expected hits of each selector, by task, at one N in one column."""

    hits: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    tiers: dict[Confidence, list[float]] = field(
        default_factory=lambda: defaultdict(list)
    )

    def closed(self, name: str) -> float:
        """The share of the distance random → oracle."""
        low, high = fmean(self.hits["random"]), fmean(self.hits["oracle"])
        return (fmean(self.hits[name]) - low) / (high - low)


def measure(tasks: Sequence[Task], column: Column, size: int, count: int) -> Tally:
    tally = Tally()
    for task in tasks:
        found: dict[str, list[float]] = defaultdict(list)
        for draw in draws(task, column, size, count):
            for name, selector in SELECTORS.items():
                found[name].append(
                    expected(draw, selector(draw), existing_first=name != "random")
                )
            ranking = rank(draw.verdicts, draw.evidence)
            found[OURS].append(ours(draw, ranking))
            found["oracle"].append(float(any(draw.truth)))
            tally.tiers[ranking.confidence].append(found[OURS][-1])
        for name, values in found.items():
            tally.hits[name].append(fmean(values))
    return tally


def expected(draw: Draw, scores: Sequence[float], *, existing_first: bool) -> float:
    """How often the pick is right, where equal scores are drawn by lot."""
    keys = [
        (sum(row) if existing_first else 0, round(score, 9))
        for row, score in zip(draw.existing, scores, strict=True)
    ]
    best = max(keys)
    return fmean(
        right for right, key in zip(draw.truth, keys, strict=True) if key == best
    )


def ours(draw: Draw, ranking: Ranking) -> float:
    """The same for the first of the ranking and those that it sets equal to it."""
    return fmean(draw.truth[number - 1] for number in tied_for_first(ranking))


def interval(differences: Sequence[float], rng: random.Random) -> tuple[float, float]:
    """The 95 % bootstrap interval of the mean over tasks."""
    means = sorted(
        fmean(rng.choices(differences, k=len(differences))) for _ in range(RESAMPLES)
    )
    return means[RESAMPLES * 25 // 1000], means[RESAMPLES * 975 // 1000]


def show_shares(results: dict[str, list[Tally]]) -> None:
    print(
        "\nShare of the distance random → oracle closed, %, N = "
        f"{'/'.join(map(str, SIZES))}"
    )
    print(f"{'':26}" + "".join(f"{name:>18}" for name in results))
    for selector in (*SELECTORS, OURS):
        cells = (
            "/".join(f"{100 * tally.closed(selector):.0f}" for tally in row)
            for row in results.values()
        )
        print(f"{selector:26}" + "".join(f"{cell:>18}" for cell in cells))
    rows = results.values()
    ahead = (
        "/".join(f"{100 * (t.closed(OURS) - best_other(t)):+.1f}" for t in tallies)
        for tallies in rows
    )
    print(f"{'ours − the best other':26}" + "".join(f"{cell:>18}" for cell in ahead))


def best_other(tally: Tally) -> float:
    return max(tally.closed(name) for name in SELECTORS)


def show_best_rows(results: dict[str, list[Tally]]) -> None:
    print(
        "\nShare closed, mean over N: ours minus the best single row of each column, "
        "with 95 % intervals over tasks"
    )
    rng = random.Random(7)
    for name, tallies in results.items():
        best = max(
            SELECTORS, key=lambda row: fmean(tally.closed(row) for tally in tallies)
        )
        ahead = [100 * gain for gain in gains(tallies, best)]
        low, high = interval(ahead, rng)
        print(f"{name:18} {best:24} {fmean(ahead):+.1f} [{low:+.1f}, {high:+.1f}]")


def gains(tallies: Sequence[Tally], other: str) -> list[float]:
    """Return by task how much more of the distance ours closes than another."""
    spans = [
        fmean(tally.hits["oracle"]) - fmean(tally.hits["random"]) for tally in tallies
    ]
    rows = [
        [
            (mine - theirs) / span
            for mine, theirs in zip(tally.hits[OURS], tally.hits[other], strict=True)
        ]
        for tally, span in zip(tallies, spans, strict=True)
    ]
    return [fmean(of_task) for of_task in zip(*rows, strict=True)]


def show_intervals(results: dict[str, list[Tally]]) -> None:
    print(
        "\nPoints of right picks, ours minus another, with 95 % intervals (paired "
        "bootstrap over tasks), N = 5"
    )
    rng = random.Random(5)
    for name, row in results.items():
        tally = row[SIZES.index(5)]
        told = []
        for other in ("random", "own tests", "all tests, plain count", "CodeT"):
            pairs = zip(tally.hits[OURS], tally.hits[other], strict=True)
            differences = [100 * (mine - theirs) for mine, theirs in pairs]
            low, high = interval(differences, rng)
            told.append(
                f"{other.split(',')[0]} {fmean(differences):+.1f} [{low:+.1f}, "
                f"{high:+.1f}]"
            )
        print(f"{name:18} {'  '.join(told)}")


def show_tiers(results: dict[str, list[Tally]]) -> None:
    print("\nHow often the pick is right, by confidence (and in how many of the runs)")
    groups = {**results, "all": [*chain.from_iterable(results.values())]}
    for name, tallies in groups.items():
        by_tier = {
            tier: [*chain.from_iterable(tally.tiers[tier] for tally in tallies)]
            for tier in Confidence
        }
        total = sum(map(len, by_tier.values()))
        cells = []
        for tier, hits in by_tier.items():
            told = (
                f"{100 * fmean(hits):.0f} % of {100 * len(hits) / total:.0f} %"
                if hits
                else "–"
            )
            cells.append(f"{tier}: {told:<16}")
        print(f"{name:18} {' '.join(cells)}")


def main(count: int, data: Path) -> None:
    begun = time.perf_counter()
    tasks = load(data)
    results = {
        column.name: [measure(tasks, column, size, count) for size in SIZES]
        for column in COLUMNS
    }
    print(
        f"{len(tasks)} tasks, {count} runs for each task, N and column; "
        f"{time.perf_counter() - begun:.0f} s"
    )
    show_shares(results)
    show_best_rows(results)
    show_intervals(results)
    show_tiers(results)


if __name__ == "__main__":
    main(
        int(sys.argv[1]) if len(sys.argv) > 1 else 40,
        Path(sys.argv[2]) if len(sys.argv) > 2 else DATA,
    )
