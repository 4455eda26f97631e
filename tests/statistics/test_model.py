"""Figures that say how sure they are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aideator.statistics.model import AgentCount, Rate, RunCount, summarise


@pytest.mark.parametrize(
    ("count", "of", "low", "high"),
    [
        # R. G. Newcombe, Two-sided confidence intervals for the single proportion,
        # Stat. Med. 17 (1998), table I.
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_the_interval_is_wilsons(count: int, of: int, low: float, high: float) -> None:
    rate = Rate.of_counts(count, of)
    assert (rate.low, rate.high) == pytest.approx((low, high), abs=5e-5)


@given(st.integers(0, 500), st.integers(1, 500))
def test_an_interval_holds_its_share_and_never_claims_what_cannot_be(
    count: int, of: int
) -> None:
    rate = Rate.of_counts(min(count, of), of)
    assert rate.share is not None
    assert 0 <= rate.low <= rate.share <= rate.high <= 1
    assert rate.high - rate.low > 0
    assert Rate.of_counts(min(count, of) * 4, of * 4).high <= rate.high + 1e-12


def test_nothing_counted_claims_nothing() -> None:
    assert Rate.of_counts(0, 0) == Rate(count=0, of=0, share=None, low=0, high=1)
    assert summarise([], []).cost_per_decision_usd is None


def agent(
    agent: str, *, model: str = "m", variations: int = 4, wins: int = 1, **more: float
) -> AgentCount:
    figures = {"expected": variations / 2, "cost_usd": 2.0, "unpriced": 0} | more
    return AgentCount(
        agent,
        model,
        "",
        variations,
        wins,
        figures["expected"],
        figures["cost_usd"],
        int(figures["unpriced"]),
    )


def test_agents_add_up_by_agent_and_by_model() -> None:
    stats = summarise(
        [agent("a"), agent("a", model="n", wins=3), agent("b", unpriced=1, wins=0)], []
    )
    assert [
        (t.name, t.wins.count, t.wins.of, t.by_chance, t.cost_per_win_usd)
        for t in stats.agents
    ] == [
        ("a", 4, 8, 0.5, 1.0),
        ("b", 0, 4, 0.5, None),
    ]
    assert [(t.name, t.wins.count) for t in stats.models] == [("n", 3), ("m", 1)]


def test_runs_that_came_to_nothing_cost_too() -> None:
    def run(
        cost: float | None,
        *,
        decided: bool = False,
        followed: bool | None = None,
        after: float = 0,
    ) -> RunCount:
        seconds = after if decided else None
        return RunCount(
            decided=decided,
            published=False,
            followed=followed,
            seconds=seconds,
            cost_usd=cost,
        )

    runs = [
        run(1.0, decided=True, followed=True, after=10),
        run(2.0, decided=True, after=30),
        run(3.0),
    ]
    stats = summarise([], runs)
    assert (
        stats.runs,
        stats.decided,
        stats.cost_per_decision_usd,
        stats.decision_seconds,
    ) == (3, 2, 3.0, 20)
    assert (stats.followed.count, stats.followed.of) == (1, 1)
    assert summarise([], [*runs, run(None)]).cost_usd is None
