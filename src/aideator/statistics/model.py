"""What the kept decisions say: how often whom, how sure that is, and what it cost."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import median

from pydantic import Field

from aideator.domain.base import FrozenModel

_Z = 1.959964
"""The standard normal quantile of a two-sided 95 % interval."""


class Rate(FrozenModel):
    """A share, with what can honestly be said of the share behind it."""

    count: int
    of: int
    share: float | None = None
    """Null when there is nothing to count in."""
    low: float = 0.0
    """The 95 % interval's lower end."""
    high: float = 1.0

    @classmethod
    def of_counts(cls, count: int, of: int) -> "Rate":
        """The share and its Wilson score interval.

        E. B. Wilson, Probable inference, the law of succession, and statistical
        inference, J. Am. Stat. Assoc. 22 (1927), 209-212. Unlike the textbook's ±, it
        holds for few observations and for shares of 0 and 1: L. D. Brown, T. T. Cai, A.
        DasGupta, Interval estimation for a binomial proportion, Statistical Science 16
        (2001), 101-133.
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
    """How one agent, model or strategy has done in decided runs."""

    name: str
    wins: Rate
    """Of the variations in decided runs, those that were chosen."""
    by_chance: float | None = None
    """The share that choosing blindly would have given it: 1/2 among two, 1/5 among
    five."""
    cost_usd: float | None = None
    """What its variations cost in these runs; null when the price of a call is
    unknown."""
    cost_per_win_usd: float | None = None


class Stats(FrozenModel):
    """What the decisions that were made here say.

    Imported runs and reused answers do not count.
    """

    runs: int = 0
    """Runs that have ended."""
    decided: int = 0
    published: int = 0
    agents: tuple[Tally, ...] = ()
    models: tuple[Tally, ...] = ()
    strategies: tuple[Tally, ...] = Field(default=())
    """By the instructions of the agent; "" for an agent without any."""
    followed: Rate = Rate(count=0, of=0)
    """Of the decided runs with a recommendation, those where it was chosen."""
    cost_usd: float | None = None
    """What all these runs cost; null when the price of a call is unknown."""
    cost_per_decision_usd: float | None = None
    """The cost of all runs, also those that came to nothing, for each accepted
    change."""
    decision_seconds: float | None = None
    """The median time from the end of a run to its decision."""


@dataclass(frozen=True)
class AgentCount:
    """Variations of decided runs that had the same agent."""

    agent: str
    model: str
    instructions: str
    variations: int
    wins: int
    expected: float
    """How many would have been chosen blindly."""
    cost_usd: float
    unpriced: int
    """Variations whose cost is not known."""


@dataclass(frozen=True)
class RunCount:
    """One run that has ended."""

    decided: bool
    published: bool
    followed: bool | None
    """Whether the recommendation was chosen; None without a decision or a
    recommendation."""
    seconds: float | None
    """From its end to the decision."""
    cost_usd: float | None


def summarise(agents: Sequence[AgentCount], runs: Sequence[RunCount]) -> Stats:
    """Count up."""
    decided = [run for run in runs if run.decided]
    followed = [run.followed for run in decided if run.followed is not None]
    seconds = [run.seconds for run in decided if run.seconds is not None]
    costs = [run.cost_usd for run in runs]
    cost = None if None in costs else sum(each for each in costs if each is not None)
    return Stats(
        runs=len(runs),
        decided=len(decided),
        published=sum(run.published for run in runs),
        agents=_tallies(agents, lambda agent: agent.agent),
        models=_tallies(agents, lambda agent: agent.model),
        strategies=_tallies(agents, lambda agent: agent.instructions),
        followed=Rate.of_counts(sum(followed), len(followed)),
        cost_usd=cost,
        cost_per_decision_usd=cost / len(decided)
        if decided and cost is not None
        else None,
        decision_seconds=median(seconds) if seconds else None,
    )


def _tallies(
    agents: Iterable[AgentCount], name: Callable[[AgentCount], str]
) -> tuple[Tally, ...]:
    groups: dict[str, list[AgentCount]] = {}
    for agent in agents:
        groups.setdefault(name(agent), []).append(agent)
    tallies = [_tally(called, group) for called, group in groups.items()]
    return tuple(
        sorted(
            tallies,
            key=lambda tally: (-tally.wins.count, -(tally.wins.share or 0), tally.name),
        )
    )


def _tally(name: str, group: Sequence[AgentCount]) -> Tally:
    tried, wins = (
        sum(agent.variations for agent in group),
        sum(agent.wins for agent in group),
    )
    cost = (
        None
        if any(agent.unpriced for agent in group)
        else sum(agent.cost_usd for agent in group)
    )
    return Tally(
        name=name,
        wins=Rate.of_counts(wins, tried),
        by_chance=sum(agent.expected for agent in group) / tried if tried else None,
        cost_usd=cost,
        cost_per_win_usd=cost / wins if wins and cost is not None else None,
    )
