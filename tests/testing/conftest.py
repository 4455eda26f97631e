"""An agent's client, and a small agent: the real SDK, the real tools, no sandbox."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from anthropic import AsyncAnthropic
from anthropic.types import Message, MessageParam

from aideator.agents.builtin.tools import SCHEMAS, ToolFailed, Tools
from tests.conftest import PATIENCE

MODEL = "claude-opus-5-5"
SEEN = {"type": "adaptive", "display": "summarized"}
"""Thinking that is shown."""

MakeClient = Callable[..., AsyncAnthropic]


@pytest.fixture
async def client_of() -> AsyncIterator[MakeClient]:
    """Makes clients, by URL and credential; they do not retry unless asked."""
    async with AsyncExitStack() as stack:
        made: list[AsyncAnthropic] = []

        def make(
            url: str, key: str = "lease-1-secret", **options: Any
        ) -> AsyncAnthropic:
            made.append(
                AsyncAnthropic(
                    base_url=url,
                    api_key=key,
                    **{"max_retries": 0, "timeout": 30, **options},
                )
            )
            return made[-1]

        yield make
        for client in made:
            await stack.enter_async_context(client)


async def ask(
    client: AsyncAnthropic, *messages: MessageParam, **options: Any
) -> Message:
    """One streamed answer."""
    talk = messages or ({"role": "user", "content": "Make the tests pass."},)
    arguments: dict[str, Any] = {
        "model": MODEL,
        "max_tokens": 1000,
        "tools": SCHEMAS,
        "thinking": SEEN,
        **options,
    }
    async with client.messages.stream(messages=talk, **arguments) as stream:
        return await stream.get_final_message()


def text_of(answer: Message) -> str:
    """What the answer says."""
    return "".join(block.text for block in answer.content if block.type == "text")


async def until(holds: Callable[[], bool]) -> None:
    """Wait for what the server does in its own time."""
    async with asyncio.timeout(PATIENCE):
        while True:
            if holds():
                return
            await asyncio.sleep(0.01)


async def work(client: AsyncAnthropic, workspace: Path, prompt: str) -> list[Message]:
    """A whole turn of a small agent: answers until the model calls no more tools."""
    talk: list[MessageParam] = [{"role": "user", "content": prompt}]
    answers: list[Message] = []
    while not answers or answers[-1].stop_reason == "tool_use":
        answers.append(await ask(client, *talk))
        talk.append(answers[-1].to_param())
        calls = [block for block in answers[-1].content if block.type == "tool_use"]
        results: list[Any] = [
            await _result(workspace, call.id, call.name, call.input) for call in calls
        ]
        talk.append({"role": "user", "content": results})
    return answers


async def _result(
    workspace: Path, call: str, name: str, arguments: dict[str, Any]
) -> dict[str, Any]:
    try:
        result = await Tools(workspace).call(name, arguments, lambda _: None)
    except ToolFailed as error:
        return {
            "type": "tool_result",
            "tool_use_id": call,
            "content": str(error),
            "is_error": True,
        }
    return {"type": "tool_result", "tool_use_id": call, "content": result.text}
