"""Statistics of decisions: wins, their confidence intervals, and what they cost."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import median

from pydantic import Field

from aideator.domain.base import FrozenModel

_Z = 1.959964
"""The standard normal quantile of a two-sided 95 % interval."""


class Rate(FrozenModel):
    """A share of a count, with its confidence interval."""

    count: int
    of: int
    share: float | None = None
    """Null when `of` is 0."""
    low: float = 0.0
    """The lower bound of the 95 % interval."""
    high: float = 1.0

    @classmethod
    def of_counts(cls, count: int, of: int) -> "Rate":
        """Return a share with its Wilson score interval.

        E. B. Wilson, Probable inference, the law of succession, and statistical
        inference, J. Am. Stat. Assoc. 22 (1927), 209-212. Unlike the normal
        approximation, it holds for few observations and for shares of 0 and 1: L. D.
        Brown, T. T. Cai, A. DasGupta, Interval estimation for a binomial proportion,
        Statistical Science 16 (2001), 101-133.
        """
        if not of:
            return cls(count=0, of=0)
        share, square = count / of, _Z * _Z / of
        middle = (share + square / 2) / (1 + square)
        reach = _Z / (1 + square) * sqrt(share * (1 - share) / of + square / (4 * of))
        low, high = max(0.0, middle - reach), min(1.0, middle + reach)
        return cls(
            count=count, of=of, share=share, low=min(low, share), high=max(high, share)
        )


class Tally(FrozenModel):
    """The results of one agent, model or strategy in decided runs."""

    name: str
    wins: Rate
    """Chosen variations, of those in decided runs."""
    by_chance: float | None = None
    """The share that a random choice would have given it: 1/2 among two, 1/5 among
    five."""
    cost_usd: float | None = None
    """Cost of its variations in these runs; null when the price of a call is
    unknown."""
    cost_per_win_usd: float | None = None


class Stats(FrozenModel):
    """Statistics of the decisions that were made on this server.

    Imported runs and reused answers do not count.
    """

    runs: int = 0
    """Runs that have ended."""
    decided: int = 0
    published: int = 0
    agents: tuple[Tally, ...] = ()
    models: tuple[Tally, ...] = ()
    strategies: tuple[Tally, ...] = Field(default=())
    """By the agent's instructions; "" for an agent without any."""
    followed: Rate = Rate(count=0, of=0)
    """Runs whose recommendation was chosen, of the decided runs that had one."""
    cost_usd: float | None = None
    """Cost of all these runs; null when the price of a call is unknown."""
    cost_per_decision_usd: float | None = None
    """The cost of all runs, decided or not, divided by the accepted changes."""
    decision_seconds: float | None = None
    """The median time from the end of a run to its decision."""


@dataclass(frozen=True)
class AgentCount:
    """Variations of decided runs that had the same agent specification."""

    agent: str
    model: str
    instructions: str
    variations: int
    wins: int
    expected: float
    """How many a random choice would have chosen."""
    cost_usd: float
    unpriced: int
    """Variations whose cost is unknown."""


@dataclass(frozen=True)
class RunCount:
    """One run that has ended."""

    decided: bool
    published: bool
    followed: bool | None
    """Whether the recommendation was chosen; None without a decision or a
    recommendation."""
    seconds: float | None
    """From the run's end to its decision."""
    cost_usd: float | None


def summarise(agents: Sequence[AgentCount], runs: Sequence[RunCount]) -> Stats:
    """Return the statistics of all runs that have ended here.

    Args:
        agents: Counts of variations in decided runs.
        runs: One for each run.
    """
    decided = [run for run in runs if run.decided]
    followed = [run.followed for run in decided if run.followed is not None]
    seconds = [run.seconds for run in decided if run.seconds is not None]
    cost = _sum(run.cost_usd for run in runs)
    return Stats(
        runs=len(runs),
        decided=len(decided),
        published=sum(run.published for run in runs),
        agents=_tallies(agents, lambda agent: agent.agent),
        models=_tallies(agents, lambda agent: agent.model),
        strategies=_tallies(agents, lambda agent: agent.instructions),
        followed=Rate.of_counts(sum(followed), len(followed)),
        cost_usd=cost,
        cost_per_decision_usd=_ratio(cost, len(decided)),
        decision_seconds=median(seconds) if seconds else None,
    )


def _sum(costs: Iterable[float | None]) -> float | None:
    """Return the sum; None if one of the costs is not known."""
    total = 0.0
    for cost in costs:
        if cost is None:
            return None
        total += cost
    return total


def _ratio(total: float | None, count: int) -> float | None:
    return None if total is None or count == 0 else total / count


def _tallies(
    agents: Iterable[AgentCount], name: Callable[[AgentCount], str]
) -> tuple[Tally, ...]:
    """Return one tally for each name, those with most wins first."""
    groups: dict[str, list[AgentCount]] = {}
    for agent in agents:
        groups.setdefault(name(agent), []).append(agent)
    tallies = [_tally(called, group) for called, group in groups.items()]
    return tuple(sorted(tallies, key=_rank))


def _rank(tally: Tally) -> tuple[int, float, str]:
    return -tally.wins.count, -(tally.wins.share or 0), tally.name


def _tally(name: str, group: Sequence[AgentCount]) -> Tally:
    variations = sum(agent.variations for agent in group)
    wins = sum(agent.wins for agent in group)
    cost = _sum(None if agent.unpriced else agent.cost_usd for agent in group)
    return Tally(
        name=name,
        wins=Rate.of_counts(wins, variations),
        by_chance=_ratio(sum(agent.expected for agent in group), variations),
        cost_usd=cost,
        cost_per_win_usd=_ratio(cost, wins),
    )
