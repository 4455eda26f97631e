"""The built-in agent's loop with its model: real HTTP, real tools, no sandbox.

Without a sandbox many cases are cheap.
"""

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from aideator.agents.builtin import loop, messages
from aideator.agents.builtin.loop import AgentSettings, ModelCallFailed, run_turn
from aideator.agents.builtin.messages import Json, MessagesClient
from aideator.agents.builtin.tools import Tools
from aideator.testing import ScriptedModel, scripted_model

TOKEN = "lease-1-secret"


class Session:
    """One prompt turn, and what was told of it."""

    def __init__(self, workspace: Path, model: ScriptedModel) -> None:
        self.model = model
        self.updates: list[dict[str, Any]] = []
        self._workspace = workspace

    async def turn(self, prompt: str = "Do it.", **spec: Any) -> str:
        asked: list[Json] = [{"role": "user", "content": prompt}]
        place = AgentSettings(
            **{"model": "claude-opus-5-5", "system": "You are a test.", **spec}
        )
        async with MessagesClient(self.model.url, TOKEN) as client:
            return await run_turn(
                client, place, asked, Tools(self._workspace), self.updates.append
            )

    def requests(self) -> list[dict[str, Any]]:
        return [request.body for request in self.model.requests]

    def texts(self) -> list[str]:
        return [
            update["content"]["text"]
            for update in self.updates
            if update["sessionUpdate"].endswith("_chunk")
        ]

    def statuses(self) -> dict[str, str]:
        """The last status of each tool call."""
        return {
            update["toolCallId"]: update["status"]
            for update in self.updates
            if "status" in update
        }


def script(*turns: dict[str, Any]) -> dict[str, Any]:
    return {"lanes": {"default": turns}}


async def test_the_request_carries_the_settings(tmp_path: Path) -> None:
    async with scripted_model("no_change") as model:
        session = Session(tmp_path, model)
        await session.turn("Look.", model="claude-sonnet-5-5", effort="low")
        body, *_ = session.requests()
    assert body["model"] == "claude-sonnet-5-5"
    assert body["output_config"] == {"effort": "low"}
    assert body["thinking"] == {"type": "adaptive", "display": "summarized"}
    assert "temperature" not in body
    assert body["messages"] == [{"role": "user", "content": "Look."}]


async def test_a_temperature_takes_the_place_of_thinking(tmp_path: Path) -> None:
    async with scripted_model("no_change") as model:
        session = Session(tmp_path, model)
        await session.turn(temperature=0.2)
        body, *_ = session.requests()
    assert body["temperature"] == 0.2
    assert "thinking" not in body


async def test_a_model_without_adaptive_thinking_is_not_asked_for_it(
    tmp_path: Path,
) -> None:
    async with scripted_model("no_change") as model:
        session = Session(tmp_path, model)
        await session.turn(thinking=False)
        assert "thinking" not in session.requests()[0]


async def test_every_request_begins_like_the_one_before_so_that_the_cache_holds(
    tmp_path: Path,
) -> None:
    call = {"bash": {"command": "echo again"}}
    scenario = script(
        {"think": "Hm.", "say": "One.", "calls": [call]},
        {"calls": [call, call]},
        {"say": "Done."},
    )
    async with scripted_model(scenario) as model:
        session = Session(tmp_path, model)
        assert await session.turn() == "end_turn"
        bodies = session.requests()
    assert len(bodies) == 3
    for before, after in pairwise(bodies):
        assert after["cache_control"] == {"type": "ephemeral"}
        assert (after["system"], after["tools"]) == (before["system"], before["tools"])
        assert after["messages"][: len(before["messages"])] == before["messages"]


@pytest.mark.parametrize(
    "fault",
    [
        {"status": 529, "times": 1, "headers": {"retry-after-ms": "1"}},
        {"status": 429, "times": 1, "headers": {"retry-after-ms": "1"}},
        {"cut_after": 4, "times": 1},
        {"error_after": 4, "times": 1},
        {"garbage": True, "times": 1},
    ],
    ids=["overloaded", "too-many", "cut", "error-in-stream", "garbage"],
)
async def test_a_fault_that_passes_is_got_over(
    tmp_path: Path, fault: dict[str, Any]
) -> None:
    call = {"bash": {"command": "echo fine >> result"}}
    async with scripted_model(
        script({"say": "I try.", "calls": [call], "fault": fault}, {"say": "Done."})
    ) as model:
        session = Session(tmp_path, model)
        assert await session.turn() == "end_turn"
        assert len(model.requests) == 3
    assert (tmp_path / "result").read_text() == "fine\n"
    assert session.texts()[-1] == "Done."


async def test_a_tool_call_that_was_cut_off_is_told_as_failed(tmp_path: Path) -> None:
    call = {"bash": {"command": "echo never"}}
    fault = {"cut_after": 4, "times": 1}
    async with scripted_model(
        script({"calls": [call], "fault": fault}, {"say": "Done."})
    ) as model:
        session = Session(tmp_path, model)
        await session.turn()
    first, *_ = session.statuses()
    assert {
        update["status"]
        for update in session.updates
        if update.get("toolCallId") == first
    } >= {
        "pending",
        "failed",
    }


@pytest.mark.parametrize(
    ("fault", "reason", "message", "requests"),
    [
        (
            {"status": 402, "headers": {"x-should-retry": "false"}},
            "budget_exhausted",
            "the model answered 402",
            1,
        ),
        ({"status": 401}, "model_failed", "the model answered 401", 1),
        ({"status": 400}, "model_failed", "the model answered 400", 1),
        (
            {"status": 500, "headers": {"retry-after-ms": "1"}},
            "model_failed",
            "the model answered 500",
            5,
        ),
        ({"cut_after": 2}, "model_failed", "broke off 4 times", 4),
    ],
    ids=["no-money", "no-access", "bad-request", "broken-server", "always-cut"],
)
async def test_a_fault_that_stays_ends_the_turn_with_the_reason(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    fault: dict[str, Any],
    reason: str,
    message: str,
    requests: int,
) -> None:
    monkeypatch.setattr(loop, "BACKOFF_SECONDS", 0.01)
    async with scripted_model(
        script({"say": "I try to say something.", "fault": fault})
    ) as model:
        session = Session(tmp_path, model)
        with pytest.raises(ModelCallFailed, match=message) as failure:
            await session.turn()
        assert len(model.requests) == requests
    assert failure.value.reason == reason
    assert TOKEN not in str(failure.value)


async def test_a_gateway_that_is_not_there_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(messages, "RETRIES", 0)
    session = Session(tmp_path, ScriptedModel("http://127.0.0.1:9", []))
    with pytest.raises(ModelCallFailed, match="the model cannot be reached"):
        await session.turn()


@pytest.mark.parametrize(
    ("turn", "stop"),
    [
        (
            {"say": "Again.", "calls": [{"bash": {"command": "true"}}], "repeat": True},
            "max_turn_requests",
        ),
        ({"say": "No.", "stop": "refusal"}, "refusal"),
        ({"say": "And so on", "stop": "max_tokens"}, "max_tokens"),
        ({"say": "Done."}, "end_turn"),
    ],
)
async def test_the_turn_ends_with_acps_stop_reason(
    tmp_path: Path, turn: dict[str, Any], stop: str
) -> None:
    async with scripted_model(script(turn)) as model:
        session = Session(tmp_path, model)
        assert await session.turn(max_turns=2) == stop
        assert len(model.requests) <= 2


async def test_a_paused_turn_is_taken_up_again(tmp_path: Path) -> None:
    async with scripted_model(
        script({"say": "A moment.", "stop": "pause_turn"}, {"say": "Done."})
    ) as model:
        session = Session(tmp_path, model)
        assert await session.turn() == "end_turn"
        assert session.texts()[-1] == "Done."


def test_settings_are_read_from_what_the_catalogue_makes(tmp_path: Path) -> None:
    spec = AgentSettings.parse(
        '{"model": "m", "max_turns": 7, "thinking": false, '
        '"instructions": "Be brief."}',
        tmp_path,
    )
    assert (spec.model, spec.max_turns, spec.thinking) == ("m", 7, False)
    assert str(tmp_path) in spec.system
    assert spec.system.endswith("Be brief.")
