"""Statistics as tables and sentences for a terminal."""

from collections.abc import Iterable, Iterator

from rich import box
from rich.table import Table

from aideator.cli.ui.escape import one_line
from aideator.domain.wording import money
from aideator.statistics.model import Rate, Stats, Tally

_COLUMNS = ("won", "of", "share", "95 % interval", "by chance", "cost", "cost per win")
_NAME = 40
"""Characters of a name."""


def tables(stats: Stats) -> Iterator[Table]:
    """Yield one table each for agents, models and strategies."""
    yield _table("agent", stats.agents, unnamed="(the agent's own)")
    yield _table("model", stats.models, unnamed="(the agent's own)")
    yield _table("strategy", stats.strategies, unnamed="(none)")


def summary(stats: Stats) -> Iterator[str]:
    """Yield sentences on all runs: decisions, recommendations, time and cost."""
    yield f"{stats.decided} of {stats.runs} runs decided, {stats.published} published."
    if stats.followed.of:
        share, interval = _share(stats.followed)
        yield (
            f"The recommendation was chosen in {stats.followed.count} of "
            f"{stats.followed.of}: {share} ({interval})."
        )
    if stats.decision_seconds is not None:
        yield (
            f"Half of the decisions took less than {stats.decision_seconds:,.0f} s "
            "after the run's end."
        )
    yield (
        f"Cost: {money(stats.cost_usd)} in all, "
        f"{money(stats.cost_per_decision_usd)} for each accepted change."
    )


def _table(name: str, tallies: Iterable[Tally], *, unnamed: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in (name, *_COLUMNS):
        table.add_column(column)
    for tally in tallies:
        table.add_row(
            one_line(tally.name, _NAME) or unnamed,
            str(tally.wins.count),
            str(tally.wins.of),
            *_share(tally.wins),
            _percent(tally.by_chance),
            money(tally.cost_usd),
            money(tally.cost_per_win_usd),
        )
    return table


def _share(rate: Rate) -> tuple[str, str]:
    return _percent(rate.share), f"{_percent(rate.low)} … {_percent(rate.high)}"


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{share:.0%}"
