"""What a run may spend, over follow-ups, judges and restarts."""

from pathlib import Path
from typing import Any

from aideator.domain.events import ErrorRaised
from aideator.domain.run import RunStatus, VariationStatus
from aideator.domain.usage import Usage
from tests.actions import bodies, user

FIGURES = {"input_tokens": 20_000, "output_tokens": 50}
CALL = sum(FIGURES.values())
"""Tokens of each call of these scripts."""
SPARE = 500
"""Tokens that are left when all calls of a script have been made: too few for one
more."""
SPENT = ErrorRaised(
    reason="budget_exhausted", message="The budget was spent; judged as it stood."
)
JUDGE = {"model": "claude-opus-5-5"}
PLUS, SUM = "sed -i 's/a - b/a + b/' calc.py", "sed -i 's/a - b/sum((a, b))/' calc.py"


def says(text: str) -> dict[str, Any]:
    return {"say": text, "usage": FIGURES}


def runs(command: str) -> dict[str, Any]:
    return {"calls": [{"bash": {"command": command}}], "usage": FIGURES}


def repairs(command: str) -> list[dict[str, Any]]:
    return [runs(command), says("Done."), runs("true"), says("Done.")]


ALIKE = {"lanes": {"default": repairs(PLUS)}}
TIE = {
    "lanes": {
        "1": repairs(PLUS),
        "2": repairs(SUM),
        "default": [says('{"better": "A", "reason": "It is shorter."}')],
    }
}


async def test_a_prompt_to_all_counts_what_each_has_spent_once(
    home: Path, repo: Path
) -> None:
    budget = {"run_tokens": 12 * CALL + SPARE}
    async with user(home, repo, ALIKE) as me:
        run = await me.asks(variations=3, checks=[], budget=budget)
        await me.waits(run.id)
        await me.app.prompt(run.id, None, "Once more, please")
        done = await me.waits(run.id)
    assert [v.status for v in done.variations] == [VariationStatus.FINISHED] * 3
    assert [v.usage.tokens for v in done.variations] == [4 * CALL] * 3


async def test_a_restart_takes_the_figures_from_the_database(
    home: Path, repo: Path
) -> None:
    budget = {"run_tokens": 6 * CALL + SPARE}
    async with user(home, repo, ALIKE) as me:
        run = await me.asks(variations=2, checks=[], budget=budget)
        await me.waits(run.id)
    async with user(home, repo, ALIKE) as me:
        await me.app.prompt(run.id, 1, "Once more, please")
        await me.waits(run.id)
        await me.app.prompt(run.id, 2, "Once more, please")
        done = await me.waits(run.id)
        events = await me.hears(run.id)
    assert [v.usage.tokens for v in done.variations] == [4 * CALL, 2 * CALL]
    assert bodies(events, "error", 1) == []
    assert bodies(events, "error", 2) == [SPENT]


async def test_the_judge_counts_in_what_a_follow_up_may_spend(
    home: Path, repo: Path
) -> None:
    budget = {"run_tokens": 6 * CALL + SPARE}
    comparison = {"judge": JUDGE}
    async with user(home, repo, TIE) as me:
        run = await me.asks(variations=2, budget=budget, comparison=comparison)
        judged = await me.waits(run.id)
    assert judged.evidence
    assert judged.evidence.opinion
    assert judged.evidence.judge_usage.tokens == 2 * CALL
    async with user(home, repo, TIE) as me:
        await me.app.prompt(run.id, 1, "Once more, please")
        done = await me.waits(run.id)
        events = await me.hears(run.id)
    assert done.evidence
    assert done.evidence.judge_usage.tokens == 2 * CALL
    assert done.variations[0].usage.tokens == 2 * CALL
    assert bodies(events, "error", 1) == [SPENT]


async def test_a_judge_is_refused_when_the_budget_of_the_run_is_spent(
    home: Path, repo: Path
) -> None:
    budget = {"run_tokens": 4 * CALL + SPARE}
    comparison = {"judge": JUDGE}
    async with user(home, repo, TIE) as me:
        run = await me.asks(variations=2, budget=budget, comparison=comparison)
        done = await me.waits(run.id)
    assert done.status is RunStatus.FINISHED
    assert done.evidence
    assert done.evidence.opinion
    assert done.evidence.opinion.preferred is None
    assert "the budget is spent" in done.evidence.opinion.reasons[0]
    assert done.evidence.judge_usage == Usage()
