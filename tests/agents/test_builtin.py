"""The built-in agent at work: real sandbox, real gateway, a scripted model."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import aclosing
from itertools import groupby
from typing import Any

from acp.schema import SessionNotification

from aideator.agents.base import Task
from aideator.agents.factory import make_agent
from aideator.domain.events import (
    AgentOutput,
    DiffContent,
    ErrorRaised,
    TextContent,
    ToolCall,
    ToolCallUpdate,
)
from aideator.domain.run import AgentSpec
from aideator.domain.usage import Budget
from aideator.eventlog.base import Draft
from tests.agents.conftest import Open, Place
from tests.conftest import PATIENCE

BUILTIN = AgentSpec()
BINDS = make_agent(BUILTIN).binds


async def work(
    here: Place, spec: AgentSpec = BUILTIN, prompt: str = "Make add() add."
) -> list[Draft]:
    async with aclosing(
        make_agent(spec).run(Task(prompt), here.sandbox, here.token)
    ) as drafts:
        return [draft async for draft in drafts]


def script(*turns: dict[str, Any]) -> dict[str, Any]:
    return {"lanes": {"default": turns}}


def told(drafts: list[Draft]) -> Iterator[tuple[str, str]]:
    """What was said, joined by channel, in order."""
    pieces = [draft.body for draft in drafts if isinstance(draft.body, AgentOutput)]
    for (channel, _), group in groupby(
        pieces, lambda piece: (piece.channel, piece.message_id)
    ):
        yield channel, "".join(piece.text for piece in group)


def news(drafts: list[Draft], status: str) -> list[ToolCallUpdate]:
    updates = [draft.body for draft in drafts if isinstance(draft.body, ToolCallUpdate)]
    return [update for update in updates if update.status == status]


async def test_a_whole_session_streams_in_order_and_changes_the_workspace(
    place: Open,
) -> None:
    async with place("one_edit", binds=BINDS) as here:
        drafts = await work(here)
        assert "a + b" in (here.workspace / "calc.py").read_text()
    assert list(told(drafts)) == [
        (
            "thought",
            "The failing test says that add(2, 3) is not 5. "
            "I look at the function first.",
        ),
        ("message", "I will look at the code."),
        ("message", "The sign is wrong."),
        ("message", "add() adds now, and the tests pass."),
    ]
    kinds = [type(draft.body) for draft in drafts]
    assert kinds.index(ToolCall) < kinds.index(ToolCallUpdate) < len(kinds) - 1
    assert sum(kind is AgentOutput for kind in kinds) > 20
    looked, tested = news(drafts, "completed")
    assert looked.content == (TextContent(text=(ORIGINAL)),)
    assert tested.content
    assert isinstance(tested.content[0], TextContent)
    assert "Ran 2 tests" in tested.content[0].text


ORIGINAL = "def add(a, b):\n    return a - b\n\n\ndef double(a):\n    return a * 2\n"


async def test_what_it_sends_is_what_the_acp_schema_allows(place: Open) -> None:
    edit = {
        "edit": {"file_path": "calc.py", "old_string": "a - b", "new_string": "a + b"}
    }
    write = {"write": {"file_path": "notes/new.md", "content": "# New\n"}}
    lost = {"read": {"file_path": "nowhere"}}
    scenario = script(
        {"think": "Hm.", "say": "Three things.", "calls": [edit, write, lost]},
        {"say": "Done."},
    )
    async with place(scenario, binds=BINDS) as here:
        drafts = await work(here)
        assert (here.workspace / "notes/new.md").read_text() == "# New\n"
        request = here.model.requests[1].body
    for draft in drafts:
        assert draft.raw is not None
        sent = json.loads(draft.raw)["params"]
        assert (
            SessionNotification.model_validate(sent).model_dump(
                mode="json", by_alias=True, exclude_unset=True
            )
            == sent
        )
    edited, written = (update.content for update in news(drafts, "completed"))
    assert edited == (
        DiffContent(path="/workspace/calc.py", old_text="a - b", new_text="a + b"),
    )
    assert written == (
        DiffContent(path="/workspace/notes/new.md", old_text=None, new_text="# New\n"),
    )
    assert len(news(drafts, "failed")) == 1
    results = request["messages"][-1]["content"]
    assert [result.get("is_error", False) for result in results] == [False, False, True]


async def test_output_of_a_command_is_seen_while_it_runs(place: Open) -> None:
    wait = "echo first; until [ -e go ]; do sleep 0.05; done; echo last"
    scenario = script({"calls": [{"bash": {"command": wait}}]}, {"say": "Done."})
    live = None
    async with (
        place(scenario, binds=BINDS) as here,
        aclosing(
            make_agent(BUILTIN).run(Task("Wait."), here.sandbox, here.token)
        ) as drafts,
    ):
        async for draft in drafts:
            if (
                live is None
                and isinstance(draft.body, ToolCallUpdate)
                and draft.body.content
            ):
                live = draft.body
                # The command ends only because it was seen before its end.
                await here.sandbox.exec(["touch", "go"])
    assert live is not None
    assert live.status == "in_progress"
    assert live.content == (TextContent(text="first\n"),)


async def test_cancelling_in_the_middle_of_a_command_ends_the_command(
    place: Open,
) -> None:
    scenario = script({"calls": [{"bash": {"command": "echo on; sleep 1234"}}]})
    async with place(scenario, binds=BINDS) as here:
        async with aclosing(
            make_agent(BUILTIN).run(Task("Sleep."), here.sandbox, here.token)
        ) as drafts:
            async for draft in drafts:
                if isinstance(draft.body, ToolCallUpdate) and draft.body.content:
                    break
        assert await alive(here) == []


async def test_cancelling_in_the_middle_of_an_answer_hangs_up_on_the_model(
    place: Open,
) -> None:
    scenario = script({"say": "word " * 2000, "pace": 0.01})
    async with place(scenario, binds=BINDS) as here:
        async with aclosing(
            make_agent(BUILTIN).run(Task("Talk."), here.sandbox, here.token)
        ) as drafts:
            await anext(drafts)
        assert await alive(here) == []
        async with asyncio.timeout(PATIENCE):
            while not here.model.requests[0].hung_up:  # noqa: ASYNC110 - not told
                await asyncio.sleep(0.02)


async def test_a_spent_budget_stops_the_agent_at_once(place: Open) -> None:
    spend = {"say": "Again.", "calls": [{"bash": {"command": "true"}}], "repeat": True}
    spend["usage"] = {"input_tokens": 60_000, "output_tokens": 10}
    async with place(
        script(spend), binds=BINDS, budget=Budget(variation_tokens=100_000)
    ) as here:
        last = (await work(here))[-1].body
    assert isinstance(last, ErrorRaised)
    assert last.reason == "budget_exhausted"


async def alive(here: Place) -> list[str]:
    """Return what still runs of the agent and its commands, without this search."""
    pattern = "aideator[.]agents|sleep.123[4]"
    found = await here.sandbox.exec(
        ["sh", "-c", f"grep -lEa '{pattern}' /proc/[0-9]*/cmdline | grep -v /$$/"]
    )
    return found.stdout.decode().split()
