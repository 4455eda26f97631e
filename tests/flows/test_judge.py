"""A judge in a run: asked about ties only, and paid from the run's budget."""

from pathlib import Path
from typing import Any

import pytest

from aideator.domain.errors import InvalidInput
from aideator.domain.events import EvidenceGathered
from aideator.domain.run import RunStatus
from aideator.settings import PROVIDER_URL
from tests.actions import bodies, user

PROVIDER = {"anthropic_base_url": PROVIDER_URL}
KEYED = {**PROVIDER, "anthropic_api_key": "sk-none"}
JUDGE = {"model": "claude-opus-5-5"}
PREFERS_SUM = [
    {
        "choose": [
            {
                "when": {"prompt": r"A\| \+.*sum"},
                "turns": [
                    {"say": '{"better": "A", "reason": "It says what it does."}'}
                ],
            },
            {"turns": [{"say": '{"better": "B", "reason": "It says what it does."}'}]},
        ]
    }
]


def repairs(*commands: str, judge: list[Any]) -> dict[str, Any]:
    work = [
        [{"calls": [{"bash": {"command": command}}]}, {"say": "Done."}]
        for command in commands
    ]
    return {
        "lanes": {str(number): turns for number, turns in enumerate(work, 1)}
        | {"default": judge}
    }


PLUS, SUM = "sed -i 's/a - b/a + b/' calc.py", "sed -i 's/a - b/sum((a, b))/' calc.py"


async def test_a_judge_that_is_asked_for_orders_equals_and_its_cost_is_told(
    home: Path, repo: Path
) -> None:
    script = repairs(PLUS, SUM, judge=PREFERS_SUM)
    async with user(home, repo, script) as me:
        run = await me.asks(variations=2, comparison={"judge": JUDGE})
        events = await me.hears(run.id)
        done = await me.app.get(run.id)
    assert done.evidence
    opinion = done.evidence.opinion
    assert opinion
    assert (opinion.among, opinion.preferred, opinion.usage.requests) == ((1, 2), 2, 2)
    assert opinion.usage.cost_usd
    assert done.ranking
    assert (done.ranking.order, done.ranking.recommended) == ((2, 1), 2)
    assert any(
        reason.startswith("The judge (claude-opus-5-5) prefers variation 2")
        for reason in done.ranking.reasons
    )
    last = bodies(events, "evidence")[-1]
    assert isinstance(last, EvidenceGathered)
    assert last.evidence == done.evidence


async def test_nobody_is_asked_where_tests_or_equal_changes_have_decided(
    home: Path, repo: Path
) -> None:
    script = repairs(PLUS, "true", PLUS, judge=[{"fault": {"status": 500}}])
    async with user(home, repo, script) as me:
        done = await me.asks_and_waits(variations=3, comparison={"judge": JUDGE})
    assert done.evidence
    assert done.evidence.opinion is None
    assert done.evidence.identical == ((1, 3),)
    assert done.ranking
    assert "Variations 1 and 3 made the same change." in done.ranking.reasons


@pytest.mark.parametrize(
    ("settings", "judge", "field", "words"),
    [
        (
            KEYED,
            {"model": "claude-opsu-5-5"},
            ".model",
            "unknown model 'claude-opsu-5-5'; known models: claude-",
        ),
        (
            KEYED,
            {"model": "claude-opus-5-5", "temperature": 0.5},
            ".temperature",
            "does not take a temperature",
        ),
        (
            KEYED,
            {"temperature": 0.5},
            ".temperature",
            "claude-opus-5-5 does not take a temperature",
        ),
        (KEYED, {"max_turns": 3}, ".max_turns", "takes no turns"),
        (PROVIDER, {"model": "claude-opus-5-5"}, "", "no ANTHROPIC_API_KEY is set"),
    ],
)
async def test_a_judge_that_could_only_fail_is_refused_at_submission(
    home: Path,
    repo: Path,
    settings: dict[str, Any],
    judge: dict[str, Any],
    field: str,
    words: str,
) -> None:
    async with user(home, repo, "one_edit", **settings) as me:
        with pytest.raises(InvalidInput) as refused:
            await me.asks(comparison={"judge": judge})
        assert (await me.app.list()).runs == ()
    assert [error.field for error in refused.value.fields] == [
        f"comparison.judge{field}"
    ]
    assert words in refused.value.fields[0].message


async def test_a_model_behind_an_address_of_ones_own_may_have_any_name(
    home: Path, repo: Path
) -> None:
    async with user(home, repo, "one_edit") as me:
        done = await me.asks_and_waits(comparison={"judge": {"model": "our-own"}})
    assert done.status is RunStatus.FINISHED


async def test_a_judge_that_cannot_be_had_costs_an_opinion_and_nothing_else(
    home: Path, repo: Path
) -> None:
    script = repairs(PLUS, SUM, judge=[{"fault": {"status": 529}}])
    async with user(home, repo, script) as me:
        done = await me.asks_and_waits(variations=2, comparison={"judge": JUDGE})
    assert done.evidence
    assert done.evidence.opinion
    assert done.evidence.opinion.preferred is None
    assert done.ranking
    assert done.ranking.recommended == 1
