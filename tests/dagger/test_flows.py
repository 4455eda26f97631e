"""Whole runs in containers, over the double: what a user sees."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, aclosing
from pathlib import Path
from typing import Any

import pytest

from aideator.domain.events import VariationFailed, VariationStarted
from aideator.domain.isolation import IsolationPolicy
from aideator.domain.run import RunStatus, VariationStatus
from tests.actions import User, bodies, is_dense, user
from tests.conftest import PATIENCE

Open = Callable[..., AbstractAsyncContextManager[User]]


@pytest.fixture
def dagger_user(home: Path, repo: Path, double: Path, engine: Path) -> Open:
    """Somebody whose AIdeator uses Dagger."""

    def opened(
        scenario: Any, *, state: Path = engine, query: str = "", **settings: Any
    ) -> Any:
        told: dict[str, Any] = {
            "dagger_cli": str(double),
            "dagger_runner_host": f"double://{state}?{query}",
        }
        return user(home, repo, scenario, **told | settings)

    return opened


async def heard(me: User, run_id: str, words: bytes) -> None:
    """Follow a run until an event has these words.

    The model says its text in pieces.
    """
    async with asyncio.timeout(PATIENCE), aclosing(me.app.follow(run_id)) as batches:
        async for batch in batches:
            if any(words in entry.data for entry in batch):
                return
    raise AssertionError(f"nobody said {words!r}")


async def test_a_run_in_containers_ends_as_one_in_bubblewrap_does(
    dagger_user: Open,
) -> None:
    async with dagger_user("one_edit") as me:
        contained = await me.asks_and_waits(sandbox="dagger")
        plain = await me.asks_and_waits(sandbox="bubblewrap", fresh=True)
        patches = [await me.app.patch(run.id, 1) for run in (contained, plain)]
    assert [run.status for run in (contained, plain)] == [RunStatus.FINISHED] * 2, (
        contained.variations[0].failure
    )
    assert patches[0] == patches[1]
    assert [
        run.variations[0].isolation.backend
        for run in (contained, plain)
        if run.variations[0].isolation
    ] == [
        "dagger",
        "bubblewrap",
    ]
    verdicts = [run.variations[0].verdict for run in (contained, plain)]
    assert verdicts[0] is not None
    assert verdicts[1] is not None
    assert (
        verdicts[0].model_copy(update={"seconds": verdicts[1].seconds}) == verdicts[1]
    )


async def test_events_come_while_the_agent_works(dagger_user: Open) -> None:
    lanes = {
        "default": [
            {"say": "First words.", "calls": [{"bash": {"command": "echo begun"}}]},
            {"calls": [{"bash": {"command": "sleep 30"}}]},
            {"say": "Late."},
        ]
    }
    async with dagger_user({"lanes": lanes}) as me:
        run = await me.asks(sandbox="dagger", checks=[])
        await heard(me, run.id, b" words.")
        details = await me.app.get(run.id)
        assert details.variations[0].status is VariationStatus.RUNNING
        cancelled = await me.app.cancel(run.id)
        assert cancelled.status is RunStatus.CANCELLED


async def test_a_lost_engine_is_told_and_the_variation_is_taken_up_again(
    dagger_user: Open, tmp_path: Path
) -> None:
    lanes = {
        "default": [
            {
                "say": "At work.",
                "calls": [
                    {"bash": {"command": "sed -i 's/a - b/a + b/' calc.py; sleep 8"}}
                ],
            },
            {"say": "Done."},
        ]
    }
    async with dagger_user({"lanes": lanes}, state=tmp_path) as me:
        run = await me.asks(sandbox="dagger")
        await heard(me, run.id, b" work.")
        (tmp_path / "die").touch()
        await heard(me, run.id, b"variation_failed")
        (tmp_path / "die").unlink()
        events = await me.hears(run.id)
    assert is_dense(events)
    starts = [
        body.attempt
        for body in bodies(events, "variation_started")
        if isinstance(body, VariationStarted)
    ]
    failures = [
        body.reason
        for body in bodies(events, "variation_failed")
        if isinstance(body, VariationFailed)
    ]
    assert (starts, failures) == ([1, 2], ["EngineLost"])
    assert len(bodies(events, "variation_finished")) == 1


async def test_a_policy_refuses_an_open_network_before_anything_runs(
    dagger_user: Open,
) -> None:
    async with dagger_user(
        "one_edit", query="network=open", isolation_policy=IsolationPolicy.CLOSED
    ) as me:
        refused = await me.asks_and_waits(sandbox="dagger")
        allowed = await me.asks_and_waits(sandbox="bubblewrap", fresh=True)
    assert (refused.status, allowed.status) == (RunStatus.FAILED, RunStatus.FINISHED)
    failure = refused.failure  # the base is checked before any agent starts
    assert failure
    assert failure.reason == "IsolationTooWeak"
    assert "open" in failure.message


async def test_an_open_network_is_in_the_record_where_it_is_allowed(
    dagger_user: Open,
) -> None:
    async with dagger_user("no_change", query="network=open") as me:
        done = await me.asks_and_waits(sandbox="dagger", checks=[])
    isolation = done.variations[0].isolation
    assert isolation
    assert isolation.network.startswith("open")


async def test_auto_prefers_dagger_and_does_without_it(dagger_user: Open) -> None:
    async with dagger_user("no_change", aideator_sandbox="auto") as me:
        contained = await me.asks_and_waits(checks=[])
    async with dagger_user(
        "no_change", aideator_sandbox="auto", query="fault=no-engine"
    ) as me:
        plain = await me.asks_and_waits(checks=[], fresh=True)
    backends = [
        run.variations[0].isolation.backend
        for run in (contained, plain)
        if run.variations[0].isolation
    ]
    assert backends == ["dagger", "bubblewrap"]


async def test_a_flood_of_output_ends_the_variation_and_nothing_else(
    dagger_user: Open,
) -> None:
    async with dagger_user("big_output") as me:
        done = await me.asks_and_waits(sandbox="dagger", checks=[])
    assert done.status in {RunStatus.FINISHED, RunStatus.FAILED}
    assert done.variations[0].status in {
        VariationStatus.FINISHED,
        VariationStatus.FAILED,
    }
