"""The main job: N agents in, one proven change out."""

from pathlib import Path

from aideator.domain.events import CheckRun, RunStarted, Selected, VariationFinished
from aideator.domain.ranking import Confidence
from aideator.domain.run import RunStatus, VariationStatus
from aideator.domain.verdict import Change
from tests.actions import PROMPT, bodies, command, is_dense, user
from tests.conftest import git

CHECKS = [
    {"command": f"python3 -m unittest test_calc.CalcTest.test_{name}", "name": name}
    for name in ("add", "double")
]


async def test_three_work_one_breaks_something_and_the_evidence_says_so(
    home: Path, repo: Path
) -> None:
    async with user(home, repo, "three_ways") as me:
        run = await me.asks(variations=3, checks=CHECKS)
        events = await me.hears(run.id)
        done = await me.app.get(run.id)

    assert is_dense(events)
    assert [events[0].body.kind, events[-1].body.kind] == ["run_started", "complete"]
    baseline = {
        b.result.check: b.result.passed
        for e in events
        if not e.variation_id and isinstance(b := e.body, CheckRun)
    }
    assert baseline == {"add": False, "double": True}

    assert done.status is RunStatus.FINISHED
    assert [v.status for v in done.variations] == [VariationStatus.FINISHED] * 3
    verdicts = [v.verdict for v in done.variations if v.verdict]
    assert [v.count(Change.FIXED) for v in verdicts] == [1, 1, 0]
    assert [v.count(Change.BROKEN) for v in verdicts] == [0, 0, 1]
    assert done.ranking
    assert (done.ranking.recommended, done.ranking.confidence) == (1, Confidence.HIGH)
    assert (
        "Variation 3 breaks `test_calc.CalcTest.test_double`, which passed on the base."
        in done.ranking.reasons
    )

    assert all(v.usage.requests >= 2 and v.usage.cost_usd for v in done.variations)
    isolation = done.variations[0].isolation
    assert isolation
    assert isolation.network == "gateway only"


async def test_what_agents_think_say_and_do_is_streamed_in_order(
    home: Path, repo: Path
) -> None:
    async with user(home, repo, "one_edit") as me:
        events = await me.hears((await me.asks()).id)
    kinds = [e.body.kind for e in events if e.variation_id == 1]
    assert kinds[0] == "variation_started"
    assert kinds.index("agent_output") < kinds.index("tool_call") < kinds.index("check")
    channels = {e.body.channel for e in events if e.body.kind == "agent_output"}
    assert channels == {"thought", "message"}
    accepted, started = bodies(events, "run_started")
    assert isinstance(accepted, RunStarted)
    assert isinstance(started, RunStarted)
    assert (accepted.commit, started.commit) == (None, git(repo, "rev-parse", "HEAD"))
    assert started.checks_guessed
    assert [check.command for check in started.checks] == [
        "python3 -m unittest discover"
    ]


async def test_the_users_repository_is_never_touched(home: Path, repo: Path) -> None:
    before = (
        (repo / "calc.py").read_bytes(),
        git(repo, "rev-parse", "HEAD"),
        git(repo, "status", "--porcelain"),
    )
    async with user(home, repo, "three_ways") as me:
        await me.asks_and_waits(variations=2)
    assert before == (
        (repo / "calc.py").read_bytes(),
        git(repo, "rev-parse", "HEAD"),
        git(repo, "status", "--porcelain"),
    )
    assert not list((home / "state" / "forks").glob("*"))


async def test_the_pick_is_kept_and_lands_on_a_branch(home: Path, repo: Path) -> None:
    async with user(home, repo, "three_ways") as me:
        done = await me.asks_and_waits(variations=2)
        decided = await me.app.select(done.id, 2, "reads better")
        assert await me.app.select(done.id, 2) == decided
        told = bodies(await me.hears(done.id, until="selected"), "selected")
    assert told == [Selected(winning_variation_id=2, reason="reads better")]
    assert (decided.status, decided.winner, decided.winner_reason) == (
        RunStatus.DECIDED,
        2,
        "reads better",
    )

    applied = command("apply", done.id, home=home, cwd=repo)
    assert applied.returncode == 0, applied.stderr
    assert git(repo, "branch", "--show-current") == f"aideator/{done.id[-8:]}-2"
    assert "sum((a, b))" in (repo / "calc.py").read_text()
    assert f"AIdeator-Run: {done.id}" in git(repo, "log", "-1", "--format=%B")


async def test_a_question_that_was_decided_is_answered_at_once(
    home: Path, repo: Path
) -> None:
    async with user(home, repo, "three_ways") as me:
        first = await me.asks_and_waits(variations=2)
        await me.app.select(first.id, 2, "reads better")
        calls = len(me.model.requests)

        again = await me.asks_and_waits(variations=2)
        assert (again.status, again.winner, again.reused_from) == (
            RunStatus.DECIDED,
            2,
            first.id,
        )
        assert await me.app.patch(again.id, 2) == await me.app.patch(first.id, 2)
        assert len(me.model.requests) == calls

        anew = await me.asks_and_waits(variations=2, fresh=True)
        assert (anew.status, anew.reused_from) == (RunStatus.FINISHED, None)
        other = await me.asks_and_waits(PROMPT + " now", variations=2)
        assert other.reused_from is None


async def test_a_follow_up_goes_on_from_the_variations_own_tree(
    home: Path, repo: Path
) -> None:
    async with user(home, repo, "follow_up") as me:
        run = await me.asks_and_waits(variations=2)
        await me.app.prompt(run.id, 1, "Now subtract as well, please")
        events = await me.hears(run.id)
        done = await me.app.get(run.id)
        first, second = await me.app.patch(run.id, 1), await me.app.patch(run.id, 2)
    assert is_dense(events)
    assert [e.body.kind for e in events].count("complete") == 2
    assert done.status is RunStatus.FINISHED
    assert [v.attempt for v in done.variations] == [2, 1]
    assert b"return a + b" in first
    assert b"def subtract" in first
    assert b"def subtract" not in second
    finished = bodies(events, "variation_finished", 1)[-1]
    assert isinstance(finished, VariationFinished)
    assert finished.verdict.patch.additions > 1


async def test_an_agent_that_changes_nothing_is_a_result_not_a_failure(
    home: Path, repo: Path
) -> None:
    async with user(home, repo, "no_change") as me:
        done = await me.asks_and_waits()
    assert done.variations[0].verdict
    assert done.variations[0].verdict.unchanged
    assert done.ranking
    assert done.ranking.recommended is None
    assert "Variation 1 changed nothing." in done.ranking.reasons
