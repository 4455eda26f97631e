"""A run goes on: follow-ups with their memory, further agents, compositions."""

import json
from pathlib import Path

import pytest

from aideator.domain.errors import Conflict, InvalidInput
from aideator.domain.events import RunStarted, VariationAdded, VariationStarted
from aideator.domain.run import AgentSpec, ComposedPart, RunStatus, VariationStatus
from aideator.domain.verdict import Change
from tests.actions import PROMPT, bodies, is_dense, user

CHECKS = [
    {"command": f"python3 -m unittest test_calc.CalcTest.test_{name}", "name": name}
    for name in ("add", "double")
]
ONE_FILE_EACH = {
    "lanes": {
        "1": [
            {
                "calls": [
                    {
                        "bash": {
                            "command": (
                                "sed -i s/a\\ -\\ b/a+b/ calc.py; echo one > one.txt"
                            )
                        }
                    }
                ]
            },
            {"say": "Done."},
        ],
        "2": [
            {
                "calls": [
                    {
                        "bash": {
                            "command": (
                                "sed -i s/a\\ \\*\\ 2/a+a/ calc.py; echo two > two.txt"
                            )
                        }
                    }
                ]
            },
            {"say": "Done."},
        ],
        "default": [{"say": "Nothing to do."}],
    }
}


async def test_a_follow_up_goes_on_with_the_agents_own_session(
    home: Path, repo: Path
) -> None:
    async with user(home, repo, "follow_up") as me:
        run = await me.asks_and_waits()
        before = len(me.model.requests)
        await me.app.prompt(run.id, 1, "Now subtract as well, please")
        done = await me.waits(run.id)
        events = await me.hears(run.id)
        patch = await me.app.patch(run.id, 1)
        asked = me.model.requests[before].body["messages"]
    assert done.status is RunStatus.FINISHED
    told = [
        body for body in bodies(events, "run_started") if isinstance(body, RunStarted)
    ]
    assert [(body.commit, dict(body.sources)) for body in told] == [
        (None, {}),
        *[(done.commit, {"setup": "guess", "checks": "guess", "protected": "guess"})]
        * 2,
    ]
    assert b"def subtract" in patch
    assert b"return a + b" in patch
    first, *_, last = asked
    assert PROMPT in json.dumps(first)
    assert any(
        "add() adds now." in json.dumps(m) for m in asked if m["role"] == "assistant"
    )
    assert "Now subtract as well, please" in json.dumps(last)
    assert "Earlier you were asked" not in json.dumps(asked)


async def test_a_prompt_to_all_goes_to_each_of_them(home: Path, repo: Path) -> None:
    async with user(home, repo, "follow_up") as me:
        run = await me.asks_and_waits(variations=2)
        await me.app.prompt(run.id, None, "Now subtract as well, please")
        events = await me.hears(run.id)
        patches = [await me.app.patch(run.id, number) for number in (1, 2)]
    assert is_dense(events)
    turns = [e.body.follow_up for e in events if isinstance(e.body, VariationStarted)]
    assert sorted(turns, key=str) == [None, None, *["Now subtract as well, please"] * 2]
    assert all(b"def subtract" in patch for patch in patches)


async def test_another_agent_joins_a_run_that_has_ended(home: Path, repo: Path) -> None:
    async with user(home, repo, "three_ways", max_variations=2) as me:
        run = await me.asks_and_waits(checks=CHECKS)
        await me.app.select(run.id, 1)
        added = await me.app.add(run.id, AgentSpec(instructions="Use sum()."))
        assert (added.status, added.winner) == (RunStatus.RUNNING, None)
        events = await me.hears(run.id)
        done = await me.app.get(run.id)
        with pytest.raises(Conflict, match="2 agents"):
            await me.app.add(run.id, AgentSpec())
        with pytest.raises(InvalidInput, match="there is no agent"):
            await me.app.add(run.id, AgentSpec(agent="nobody"))
    assert is_dense(events)
    assert bodies(events, "variation_added", 2) == [
        VariationAdded(spec=AgentSpec(instructions="Use sum()."))
    ]
    assert [v.status for v in done.variations] == [VariationStatus.FINISHED] * 2
    assert done.status is RunStatus.FINISHED
    assert done.ranking
    assert set(done.ranking.order) == {1, 2}


async def test_a_composed_variation_is_judged_like_every_other_and_can_be_selected(
    home: Path, repo: Path
) -> None:
    async with user(home, repo, ONE_FILE_EACH) as me:
        run = await me.asks_and_waits(variations=2, checks=CHECKS)
        calls = len(me.model.requests)
        parts = [
            ComposedPart(variation_id=1, path="calc.py"),
            ComposedPart(variation_id=1, path="one.txt"),
            ComposedPart(variation_id=2, path="two.txt"),
        ]
        await me.app.compose(run.id, parts)
        events = await me.hears(run.id)
        done = await me.app.get(run.id)
        decided = await me.app.select(run.id, 3, "the best of both")
        patch = (await me.app.patch(run.id, 3)).decode()
        with pytest.raises(Conflict, match="no agent can continue it"):
            await me.app.prompt(run.id, 3, "Now subtract as well, please")
        assert len(me.model.requests) == calls
        again = await me.asks_and_waits(variations=2, checks=CHECKS)
        assert (again.reused_from, again.winner, len(again.variations)) == (
            run.id,
            3,
            3,
        )
        assert await me.app.patch(again.id, 3) == patch.encode()
    assert is_dense(events)
    composed = done.variations[2]
    assert (composed.spec.agent, composed.composed) == ("composed", tuple(parts))
    assert composed.verdict
    assert composed.verdict.count(Change.FIXED) == 1
    assert composed.verdict.patch.files == 3
    assert [e.body.kind for e in events if e.variation_id == 3] == [
        *(
            "variation_added",
            "variation_started",
            "checking",
            "check",
            "check",
            "variation_finished",
        ),
    ]
    assert decided.winner == 3
    assert patch.count("diff --git") == 3
    assert "a+b" in patch


async def test_parts_that_do_not_go_together_are_named_and_nothing_is_added(
    home: Path, repo: Path
) -> None:
    async with user(home, repo, "three_ways") as me:
        run = await me.asks_and_waits(variations=2)
        both = [
            ComposedPart(variation_id=1, path="calc.py", hunks=(0,)),
            ComposedPart(variation_id=2, path="calc.py", hunks=(0,)),
        ]
        with pytest.raises(
            Conflict,
            match=(
                r"calc\.py: hunk 0 of variation . and hunk 0 of variation . change "
                r"the same"
            ),
        ):
            await me.app.compose(run.id, both)
        with pytest.raises(
            InvalidInput, match=r"parts\.0: variation 1 does not change 'nowhere'"
        ):
            await me.app.compose(run.id, [ComposedPart(variation_id=1, path="nowhere")])
        with pytest.raises(Conflict, match="no finished change: 7"):
            await me.app.compose(run.id, [ComposedPart(variation_id=7, path="calc.py")])
        after = await me.app.get(run.id)
    assert after.status is RunStatus.FINISHED
    assert len(after.variations) == 2
