"""What an agent prints: JSON-RPC lines, and the session updates in them.

An update becomes one event that any store takes, or nothing: lists have at most
`ITEMS_MAX` entries, texts at most `TEXT_MAX` characters. A turn ends in good order or
with an `AideatorError`, whatever the agent writes.
"""

import asyncio
import json
import re
import socket
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from aideator.agents.acp import AcpAgent
from aideator.agents.base import Task
from aideator.agents.translate import ITEMS_MAX, RAW_MAX, TEXT_MAX, translate
from aideator.domain.errors import AideatorError
from aideator.domain.events import (
    AgentPlan,
    ErrorRaised,
    Event,
    EventBody,
    ToolCall,
    ToolCallUpdate,
)
from aideator.sandbox.base import Sandbox, Size
from tests.archive.test_format import AT, RUN
from tests.conftest import PATIENCE
from tests.fuzz.strategies import (
    JSON,
    around,
    as_json,
    examples,
    mutated,
    objects,
    repeated,
)
from tests.fuzz.work import check_growth, check_large

GOLDEN = Path(__file__).parents[1] / "agents" / "golden"
UPDATES = [
    line
    for name in ("claude", "codex", "others")
    for line in (GOLDEN / f"{name}.jsonl").read_bytes().splitlines()
]
CAN_LOAD = as_json({"protocolVersion": 1, "agentCapabilities": {"loadSession": True}})
TURN = [
    b'{"jsonrpc":"2.0","id":0,"result":%s}\n' % CAN_LOAD,
    b'{"jsonrpc":"2.0","id":1,"result":{"sessionId":"s"}}\n',
    *(
        b'{"jsonrpc":"2.0","method":"session/update","params":{"sessionId":"s",'
        b'"update":%s}}\n' % update
        for update in UPDATES
    ),
    b'{"jsonrpc":"2.0","id":7,"method":"session/request_permission","params":'
    b'{"toolCall":{"toolCallId":"t"},"options":[{"kind":"allow_once","optionId":"o"}]}'
    b"}\n",
    b'{"jsonrpc":"2.0","id":2,"result":{"stopReason":"end_turn"}}\n',
]
SEEDS = [b"".join(TURN), b"".join(TURN[2:4])]


def check_is_storable(body: EventBody | None) -> None:
    if body is None:
        return
    event = Event(seq=1, run_id=RUN, variation_id=1, at=AT, body=body)
    text = event.model_dump_json()
    assert Event.model_validate_json(text) == event
    assert "\\u0000" not in text.replace("\\\\", "")
    match body:
        case ErrorRaised():
            assert len(body.message) <= 4_000
        case AgentPlan():
            assert len(body.entries) <= ITEMS_MAX
        case ToolCall() | ToolCallUpdate():
            assert len(body.content or ()) <= ITEMS_MAX
            assert len(body.paths or ()) <= ITEMS_MAX
            assert len(json.dumps(body.raw_input)) <= 6 * RAW_MAX + 10


@examples(200)
@given(mutated(UPDATES))
def test_a_broken_update_becomes_a_storable_event_or_nothing(line: bytes) -> None:
    try:
        update = json.loads(line)
    except (ValueError, RecursionError):
        return
    check_is_storable(translate(update))


KINDS = ("tool_call", "tool_call_update", "plan", "session_info_update")
CHUNKS = ("agent_message_chunk", "agent_thought_chunk")
CALL = ("toolCallId", "title", "kind", "status", "content", "locations")
FIELDS = (*CALL, "rawInput", "rawOutput", "entries", "_meta", "messageId")


@examples(200)
@given(
    st.sampled_from(KINDS + CHUNKS),
    objects(*FIELDS),
    objects("type", "text", "content", "path", "newText", "oldText", "status"),
)
def test_any_values_in_the_fields_of_an_update(
    kind: str, fields: dict[str, object], item: dict[str, object]
) -> None:
    update = {"sessionUpdate": kind, **fields}
    check_is_storable(translate(update))
    held = {"toolCallId": "t", "content": [item], "entries": [item], "_meta": item}
    check_is_storable(translate(update | held))
    if kind in CHUNKS:
        check_is_storable(translate(update | {"content": item}))


def test_lists_and_texts_are_cut() -> None:
    text = {"type": "content", "content": {"type": "text", "text": "x" * 10**6}}
    body = translate(
        {"sessionUpdate": "tool_call", "toolCallId": "t", "content": [text] * 200}
    )
    assert isinstance(body, ToolCall)
    assert len(body.content) == ITEMS_MAX
    assert len(body.model_dump_json()) <= ITEMS_MAX * (TEXT_MAX + 100)


def line(data: bytes) -> None:
    try:
        update = json.loads(data)
    except (ValueError, RecursionError):
        return
    check_is_storable(translate(update))


@examples(15)
@given(repeated(UPDATES))
def test_work_grows_in_proportion(build: Any) -> None:
    check_growth(line, build, per_byte=200)


HEAD = b'{"sessionUpdate":"tool_call","toolCallId":"t","rawInput":'


@pytest.mark.parametrize(
    "build",
    [
        around(HEAD + b'{"a":0', b',"%d":1', b"}}"),
        around(HEAD + b"[", b"[],", b"1]}"),
        around(HEAD + b'"', b"\\ud83d", b'"}'),
        around(HEAD.replace(b"rawInput", b"content") + b"[", b'{"type":1},', b"1]}"),
    ],
    ids=["fields", "lists", "surrogates", "contents"],
)
def test_a_large_update_takes_neither_long_nor_much_memory(build: Any) -> None:
    check_large(line, build, per_byte=200)


ANSWER = re.compile(rb'(?<=\n)(?=\{"jsonrpc":"2.0","id":\d,"result)')


@dataclass
class Talker:
    """A process over a pair of sockets that says the next thing when it is asked."""

    stdin: asyncio.StreamWriter
    stdout: asyncio.StreamReader
    stderr: asyncio.StreamReader
    talk: asyncio.Task[None]

    async def wait(self) -> int:
        return 0

    async def kill(self) -> None:
        self.stdin.close()
        self.talk.cancel()

    def resize(self, _size: Size) -> None:
        raise AssertionError("it has no terminal")


class Room:
    """A place in which only the talker is."""

    gateway_url = "http://127.0.0.1:1"

    def __init__(self, said: bytes, tasks: asyncio.TaskGroup) -> None:
        self._said, self._tasks = said, tasks

    async def spawn(self, _argv: Sequence[str], **_more: object) -> Talker:
        ours, theirs = socket.socketpair()
        _, stdin = await asyncio.open_connection(sock=ours)
        heard, writer = await asyncio.open_connection(sock=theirs, limit=2**26)
        stdout, stderr = asyncio.StreamReader(), asyncio.StreamReader()
        stderr.feed_data(self._said[:1000])
        stderr.feed_eof()
        talk = self._tasks.create_task(self._talk(heard, writer, stdout))
        return Talker(stdin, stdout, stderr, talk)

    async def _talk(
        self,
        heard: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        stdout: asyncio.StreamReader,
    ) -> None:
        try:
            for said in ANSWER.split(self._said):
                # A question that never comes is not waited for.
                with suppress(TimeoutError):
                    await asyncio.wait_for(heard.readline(), 0.01)
                stdout.feed_data(said)
            stdout.feed_eof()
            await heard.read()
        finally:
            writer.close()


async def hold_turn(said: bytes) -> list[EventBody]:
    agent = AcpAgent(["agent"], env={}, wall_clock=PATIENCE)
    task = Task(prompt="Do it")
    async with asyncio.TaskGroup() as tasks:
        sandbox = cast(Sandbox, Room(said, tasks))
        try:
            return [draft.body async for draft in agent.run(task, sandbox, "token")]
        except AideatorError as error:
            return [ErrorRaised(reason="failed", message=str(error))]


def test_a_seed_is_a_whole_turn() -> None:
    bodies = asyncio.run(hold_turn(SEEDS[0]))
    assert len(bodies) > 10
    assert not isinstance(bodies[-1], ErrorRaised)


@examples(25)
@given(mutated(SEEDS))
@example(b"[" * 100_000 + b"\n")
@example(b'{"id":' + b"9" * 4_000 + b',"result":1}\n' + TURN[0])
@example(TURN[0] + b'{"jsonrpc":"2.0","id":1,"error":{"code":[],"message":{"a":[]}}}\n')
@example(
    b'{"jsonrpc":"2.0","id":0,"error":{"data":' + b"[" * 900 + b"]" * 900 + b"}}\n"
)
@example(b'{"id":true,"result":1}\n' + b"".join(TURN[1:]))
@example(TURN[-2] * 100)
def test_a_turn_ends_in_good_order_or_with_an_error_of_ours(said: bytes) -> None:
    for body in asyncio.run(hold_turn(said)):
        check_is_storable(body)


@examples(60)
@given(JSON, st.integers(0, 2))
def test_any_answer_to_a_request(answer: object, number: int) -> None:
    answers = [TURN[0], TURN[1], TURN[-1]]
    for said in ({"result": answer}, {"error": answer}):
        start = {"jsonrpc": "2.0", "id": number}
        answers[number] = json.dumps(start | said, separators=(",", ":")).encode()
        for body in asyncio.run(hold_turn(b"\n".join(answers))):
            check_is_storable(body)
