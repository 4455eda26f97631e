"""What goes wrong is told clearly, and nothing is lost."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from aideator.domain.errors import Conflict, InvalidInput, RepositoryError
from aideator.domain.events import Selected
from aideator.domain.run import RunStatus, VariationStatus
from tests.actions import bodies, is_dense, user
from tests.conftest import git


@pytest.mark.parametrize(
    ("scenario", "reason", "words"),
    [
        ("unauthorized", "ModelFailed", "401"),
        ("server_error", "ModelFailed", "500"),
        ("always_cut", "ModelFailed", ""),
    ],
)
async def test_a_failing_model_fails_the_variation_with_its_reason(
    home: Path, repo: Path, scenario: str, reason: str, words: str
) -> None:
    async with user(home, repo, scenario) as me:
        done = await me.asks_and_waits()
    assert done.status is RunStatus.FAILED
    (variation,) = done.variations
    assert variation.failure
    assert variation.failure.reason == reason
    assert words in variation.failure.message


@pytest.mark.parametrize(
    ("last", "words"),
    [
        ({"say": "No.", "stop": "refusal"}, "The model refused to go on."),
        ({"fault": {"status": 400}}, "400"),
    ],
)
async def test_what_ended_a_turn_early_stands_in_the_verdict(
    home: Path, repo: Path, last: dict[str, Any], words: str
) -> None:
    plus = {"bash": {"command": "sed -i 's/a - b/a + b/' calc.py"}}
    lane = [{"calls": [plus]}, last]
    async with user(home, repo, {"lanes": {"default": lane}}) as me:
        done = await me.asks_and_waits(checks=[])
    verdict = done.variations[0].verdict
    assert verdict is not None
    assert any(words in note for note in verdict.notes), verdict.notes


@pytest.mark.parametrize("scenario", ["overloaded", "rate_limited", "cut"])
async def test_a_model_that_recovers_costs_patience_not_the_run(
    home: Path, repo: Path, scenario: str
) -> None:
    async with user(home, repo, scenario) as me:
        done = await me.asks_and_waits()
    assert done.status is RunStatus.FINISHED, done.variations[0].failure


async def test_one_variation_that_fails_does_not_hold_up_the_others(
    home: Path, repo: Path
) -> None:
    lanes: dict[str, Any] = {
        "1": [{"fault": {"status": 401}}],
        "2": [
            {
                "calls": [
                    {
                        "bash": {
                            "command": "sed -i 's/return a - b/return a + b/' calc.py"
                        }
                    }
                ]
            },
            {"say": "Done."},
        ],
    }
    async with user(home, repo, {"lanes": lanes}) as me:
        done = await me.asks_and_waits(variations=2)
    assert [v.status for v in done.variations] == [
        VariationStatus.FAILED,
        VariationStatus.FINISHED,
    ]
    assert done.ranking
    assert done.ranking.recommended == 2


async def test_a_spent_budget_stops_the_agent_and_what_it_did_is_judged(
    home: Path, repo: Path
) -> None:
    async with user(home, repo, "endless") as me:
        run = await me.asks(budget={"variation_tokens": 150_000})
        events = await me.hears(run.id)
        done = await me.app.get(run.id)
    assert done.variations[0].usage.tokens <= 150_000
    assert done.variations[0].failure
    assert done.variations[0].failure.reason == "BudgetExhausted"
    assert is_dense(events)


async def test_cancelling_a_run_stops_it_and_keeps_what_was_heard(
    home: Path, repo: Path
) -> None:
    async with user(home, repo, "endless") as me:
        run = await me.asks(variations=2)
        await me.hears(run.id, until="tool_call")
        begun = asyncio.get_running_loop().time()
        await me.app.cancel(run.id)
        took = asyncio.get_running_loop().time() - begun
        await me.app.cancel(run.id)  # twice is no error
        events = await me.hears(run.id)
        done = await me.app.get(run.id)
    assert done.status is RunStatus.CANCELLED
    assert {v.status for v in done.variations} == {VariationStatus.CANCELLED}
    assert is_dense(events)
    assert events[-1].body.kind == "complete"
    assert len(bodies(events, "variation_failed")) == 2
    assert took < 10  # a hang, not a measurement: bench/ has the figure
    assert not list((home / "state" / "forks").glob("*"))


async def test_one_variation_is_cancelled_and_the_other_goes_on(
    home: Path, repo: Path
) -> None:
    lanes: dict[str, Any] = {
        "1": [{"calls": [{"bash": {"command": "date"}}], "repeat": True}],
        "2": [
            {"calls": [{"bash": {"command": "echo '# x' >> calc.py"}}]},
            {"say": "Done."},
        ],
    }
    async with user(home, repo, {"lanes": lanes}) as me:
        run = await me.asks(variations=2)
        await me.hears(run.id, until="variation_finished")
        await me.app.cancel(run.id, 1)
        done = await me.waits(run.id)
    assert done.status is RunStatus.FINISHED
    assert [v.status for v in done.variations] == [
        VariationStatus.CANCELLED,
        VariationStatus.FINISHED,
    ]


async def test_selecting_before_the_end_is_refused(home: Path, repo: Path) -> None:
    async with user(home, repo, "endless") as me:
        run = await me.asks()
        await me.hears(run.id, until="tool_call")
        with pytest.raises(
            Conflict, match="a winner can be chosen when it is finished"
        ):
            await me.app.select(run.id, 1)
        await me.app.cancel(run.id)


async def test_of_two_selects_at_once_the_last_wins_in_store_and_log(
    home: Path, repo: Path
) -> None:
    async with user(home, repo, "three_ways") as me:
        run = await me.asks_and_waits(variations=2)
        async with asyncio.TaskGroup() as group:
            for number in (1, 2):
                group.create_task(me.app.select(run.id, number))
        heard = [event.body for event in await me.hears(run.id)]
        chosen = [e.winning_variation_id for e in heard if isinstance(e, Selected)]
        assert sorted(chosen) == [1, 2]
        assert (await me.app.get(run.id)).winner == chosen[-1]


@pytest.mark.parametrize(
    ("repository", "words"),
    [("nowhere", "nowhere"), ("empty", "no commit"), ("plain", "not a git repository")],
)
async def test_a_repository_that_cannot_be_had_is_refused_in_plain_words(
    home: Path, repo: Path, repository: str, words: str
) -> None:
    (home / "empty").mkdir()
    git(home / "empty", "init", "-q")
    (home / "plain").mkdir()
    async with user(home, repo, "one_edit") as me:
        with pytest.raises((InvalidInput, RepositoryError), match=words):
            await me.asks(repo_url=str(home / repository))
        assert (await me.app.list()).runs == ()


async def test_an_unknown_ref_is_refused_and_leaves_no_run(
    home: Path, repo: Path
) -> None:
    async with user(home, repo, "one_edit") as me:
        with pytest.raises(RepositoryError, match="no-such-branch"):
            await me.asks(ref="no-such-branch")
        assert (await me.app.list()).runs == ()


async def test_an_unknown_commit_fails_the_run_and_says_which(
    home: Path, repo: Path
) -> None:
    async with user(home, repo, "one_edit") as me:
        done = await me.asks_and_waits(ref="0123456789")
        events = await me.hears(done.id)
    assert done.status is RunStatus.FAILED
    assert done.failure
    assert "0123456789" in done.failure.message
    assert events[-1].body.kind == "complete"


async def test_a_wrong_submission_names_every_wrong_field(
    home: Path, repo: Path
) -> None:
    async with user(
        home, repo, "one_edit", max_variations=2, max_prompt_length=20
    ) as me:
        with pytest.raises(InvalidInput) as caught:
            await me.asks("x" * 21, variations=3)
    assert [error.field for error in caught.value.fields] == ["prompt", "variations"]


@pytest.mark.slow
async def test_agents_that_attack_their_sandbox_harm_only_themselves(
    home: Path, repo: Path
) -> None:
    traps = {Path("/tmp") / name for name in ("hooked", "filtered", "watched")}
    bounds: dict[str, Any] = {
        "max_variations": 6,
        "agent_timeout": 40,
        "agent_disk_limit": 64 * 2**20,
    }
    async with user(home, repo, "hostile", **bounds) as me:
        done = await me.asks_and_waits(variations=6)
        assert done.variations[0].failure is None
        patch = await me.app.patch(done.id, 1)
    vandal, sleeper, talker, hoarder, forker, parent = done.variations

    # It deleted .git, planted hooks, filters and links: what is taken out is its
    # change, and nothing of it ran here.
    assert vandal.verdict
    assert b"+    return a + b" in patch
    assert not {trap for trap in traps if trap.exists()}
    assert sleeper.failure
    assert sleeper.failure.reason == "AgentTimeout"
    assert talker.status in {VariationStatus.FINISHED, VariationStatus.FAILED}
    # One file ends at the limit, and the agent with it or after it: by the kernel or by
    # the watchdog.
    assert hoarder.failure is None or hoarder.failure.reason == "DiskLimitExceeded"
    assert forker.status in {VariationStatus.FINISHED, VariationStatus.FAILED}
    assert parent.verdict
    assert parent.verdict.unchanged
    assert not list((home / "state" / "forks").glob("*"))


async def test_an_agent_may_print_a_lot_and_is_heard_in_part(
    home: Path, repo: Path
) -> None:
    async with user(home, repo, "big_output") as me:
        run = await me.asks()
        events = await me.hears(run.id)
    assert is_dense(events)
    assert bodies(events, "variation_finished")
    assert max(len(event.model_dump_json()) for event in events) < 2**20


async def test_a_run_can_be_cancelled_at_any_moment(home: Path, repo: Path) -> None:
    async with user(home, repo, "one_edit") as me:
        for moment in range(40):
            run = await me.asks(
                repo_url=str(repo) if moment % 2 else "https://github.com/user/repo"
            )
            await asyncio.sleep(moment / 400)
            await me.app.cancel(run.id)
            events = await me.hears(run.id)
            assert is_dense(events)
            assert events[-1].body.kind == "complete"
            assert (await me.app.get(run.id)).status in {
                RunStatus.CANCELLED,
                RunStatus.FAILED,
            }
