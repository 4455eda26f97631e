"""The scripted model over real HTTP, as the official SDK and an agent meet it."""

import asyncio
from typing import Any

import anthropic
import httpx2
import pytest
from anthropic.lib.streaming._messages import accumulate_event
from anthropic.types import Message, MessageParam, ParsedMessage, RawMessageStreamEvent
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from aideator.agents.builtin import messages
from aideator.agents.builtin.tools import SCHEMAS
from aideator.testing import scripted_model
from aideator.testing.model import wire
from aideator.testing.model.scenario import Turn
from tests.testing.conftest import MODEL, SEEN, MakeClient, ask, text_of, until

EVENT: TypeAdapter[Any] = TypeAdapter(RawMessageStreamEvent)
BASH: Any = SCHEMAS[0]
USER: MessageParam = {"role": "user", "content": "Make the tests pass."}
FULL_TURN: dict[str, Any] = {
    "think": "Two things to find out.",
    "say": "I look, and look again. Ünïcode — 你好.",
    "calls": [
        {"bash": {"command": "ls -la | head"}},
        {"read": {"file_path": "a/rather/long/path/to/calc.py"}},
    ],
    "usage": {
        "input_tokens": 1200,
        "output_tokens": 34,
        "cache_read_input_tokens": 5,
        "cache_creation_input_tokens": 6,
    },
}


def one(turn: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"lanes": {"default": [turn]}, **more}


async def test_the_sdk_reads_thinking_text_tools_and_usage_from_the_stream(
    client_of: MakeClient,
) -> None:
    async with scripted_model(one(FULL_TURN)) as model:
        answer = await ask(client_of(model.url))
    thinking, text, bash, read = answer.content
    assert thinking.type == "thinking"
    assert thinking.thinking == FULL_TURN["think"]
    assert thinking.signature
    assert text.type == "text"
    assert text.text == FULL_TURN["say"]
    assert bash.type == read.type == "tool_use"
    assert (bash.name, bash.input) == ("bash", {"command": "ls -la | head"})
    assert (read.name, read.input) == (
        "read",
        {"file_path": "a/rather/long/path/to/calc.py"},
    )
    assert bash.id != read.id
    assert answer.stop_reason == "tool_use"
    assert {**answer.usage.to_dict(), **FULL_TURN["usage"]} == answer.usage.to_dict()


async def test_a_stream_has_the_events_of_the_api_in_their_order(
    client_of: MakeClient,
) -> None:
    async with scripted_model(one(FULL_TURN)) as model:
        client = client_of(model.url)
        arguments: Any = {
            "model": MODEL,
            "max_tokens": 9,
            "messages": [USER],
            "tools": SCHEMAS,
            "thinking": SEEN,
        }
        raw = await client.messages.with_raw_response.create(**arguments, stream=True)
        kinds = [
            line.removeprefix("event: ")
            for line in (await raw.text()).splitlines()
            if line.startswith("event")
        ]
    assert kinds[:3] == ["message_start", "ping", "content_block_start"]
    assert kinds[-2:] == ["message_delta", "message_stop"]
    assert kinds.count("content_block_start") == kinds.count("content_block_stop") == 4
    assert raw.headers["content-type"].startswith("text/event-stream")
    assert raw.headers["request-id"].startswith("req_")


def without_ids(answer: Message) -> dict[str, Any]:
    blocks = [{**block.to_dict(), "id": ""} for block in answer.content]
    return {**answer.to_dict(), "id": "", "content": blocks}


async def test_streamed_or_not_it_is_the_same_message(client_of: MakeClient) -> None:
    async with scripted_model(one(FULL_TURN)) as model:
        client = client_of(model.url)
        streamed = await ask(client)
        arguments: Any = {
            "model": MODEL,
            "max_tokens": 1000,
            "messages": [USER],
            "tools": SCHEMAS,
            "thinking": SEEN,
        }
        whole = await client.messages.create(**arguments)
    assert without_ids(streamed) == without_ids(whole)
    assert streamed.id != whole.id


TURNS = st.builds(
    lambda think, say, commands: {
        "think": think,
        "say": say,
        "calls": [{"bash": {"command": c}} for c in commands],
    },
    st.text(),
    st.text(min_size=1),
    st.lists(st.text(), max_size=3),
)


@settings(deadline=None)
@given(turn=TURNS)
def test_the_events_of_any_turn_add_up_to_its_message(turn: dict[str, Any]) -> None:
    asked = {"model": MODEL, "messages": [USER], "thinking": SEEN}
    answer = wire.message(Turn.model_validate(turn), asked)
    sum_up: ParsedMessage[None] | None = None
    buffers: dict[int, bytes] = {}
    ours = messages.Message()
    for event in wire.events(answer):
        ours.add(event)
        if event["type"] != "ping":
            read: Any = EVENT.validate_json(wire.encode(event).split(b"data: ", 1)[1])
            sum_up = accumulate_event(
                event=read, current_snapshot=sum_up, json_bufs=buffers
            )
    assert sum_up
    assert [block.to_dict() for block in sum_up.content] == answer["content"]
    assert ours.content == answer["content"]
    assert ours.stop_reason == sum_up.stop_reason


@pytest.mark.parametrize(
    ("thinking", "shown"),
    [
        (SEEN, "Two things to find out."),
        ({"type": "adaptive"}, ""),
        ({"type": "enabled", "budget_tokens": 1024}, "Two things to find out."),
        ({"type": "disabled"}, None),
    ],
)
async def test_thinking_is_shown_as_the_request_asks(
    client_of: MakeClient, thinking: dict[str, Any], shown: str | None
) -> None:
    async with scripted_model(one(FULL_TURN)) as model:
        answer = await ask(client_of(model.url), thinking=thinking)
    assert [block.thinking for block in answer.content if block.type == "thinking"] == (
        [] if shown is None else [shown]
    )


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, anthropic.BadRequestError),
        (401, anthropic.AuthenticationError),
        (402, anthropic.APIStatusError),
        (403, anthropic.PermissionDeniedError),
        (404, anthropic.NotFoundError),
        (429, anthropic.RateLimitError),
        (500, anthropic.InternalServerError),
        (529, anthropic.InternalServerError),
    ],
)
async def test_a_scripted_status_raises_the_sdks_own_error(
    client_of: MakeClient, status: int, error: type[anthropic.APIStatusError]
) -> None:
    fault = {"status": status, "headers": {"retry-after": "7"}}
    async with scripted_model(one({"fault": fault})) as model:
        with pytest.raises(error) as raised:
            await ask(client_of(model.url))
    assert raised.value.status_code == status
    assert raised.value.response.headers["retry-after"] == "7"
    assert raised.value.request_id


async def test_an_overloaded_model_is_asked_again_until_it_answers(
    client_of: MakeClient,
) -> None:
    async with scripted_model("overloaded") as model:
        answer = await ask(client_of(model.url, max_retries=2))
        assert len(model.requests) == 3
    assert text_of(answer) == "The sign is wrong."


async def test_each_lease_meets_a_passing_fault_for_itself(
    client_of: MakeClient,
) -> None:
    async with scripted_model(
        one({"say": "fine", "fault": {"status": 500, "times": 1}})
    ) as model:
        for key in ("lease-1-a", "lease-1-b"):
            with pytest.raises(anthropic.InternalServerError):
                await ask(client_of(model.url, key))
            assert text_of(await ask(client_of(model.url, key))) == "fine"


async def test_a_cut_stream_breaks_the_connection_and_the_next_one_is_whole(
    client_of: MakeClient,
) -> None:
    async with scripted_model("cut") as model:
        with pytest.raises(httpx2.RemoteProtocolError):
            await ask(client_of(model.url))
        assert text_of(await ask(client_of(model.url))) == "The sign is wrong."


async def test_a_cut_message_breaks_the_connection_too(client_of: MakeClient) -> None:
    async with scripted_model("always_cut") as model:
        with pytest.raises(anthropic.APIConnectionError):
            await client_of(model.url).messages.create(
                model=MODEL, max_tokens=9, messages=[USER]
            )


async def test_an_error_event_ends_a_stream_in_the_middle(
    client_of: MakeClient,
) -> None:
    async with scripted_model("overloaded_midstream") as model:
        client = client_of(model.url)
        with pytest.raises(anthropic.APIStatusError) as raised:
            await ask(client)
        assert raised.value.body == {
            "type": "error",
            "error": {"type": "overloaded_error", "message": "Overloaded"},
        }
        assert text_of(await ask(client)) == "The sign is wrong."


@pytest.mark.parametrize("name", ["stalled", "silent"])
async def test_a_stalled_answer_lasts_until_the_client_gives_up(
    client_of: MakeClient, name: str
) -> None:
    async with scripted_model(name) as model:
        with pytest.raises((httpx2.ReadTimeout, anthropic.APITimeoutError)):
            await ask(client_of(model.url, timeout=0.3))
        await until(lambda: model.requests[0].hung_up)


async def test_a_client_that_reads_to_the_end_has_not_hung_up(
    client_of: MakeClient,
) -> None:
    async with scripted_model("one_edit") as model:
        client = client_of(model.url)
        await ask(client)
        await client.close()
        await asyncio.sleep(0.05)
        assert not model.requests[0].hung_up


async def test_the_server_stops_while_an_answer_is_stalled(
    client_of: MakeClient,
) -> None:
    async with asyncio.TaskGroup() as tasks:
        async with scripted_model("stalled") as model:
            asking = tasks.create_task(_broken(client_of(model.url)))
            await until(lambda: bool(model.requests))
        await asking


async def _broken(client: anthropic.AsyncAnthropic) -> None:
    with pytest.raises(
        (httpx2.RemoteProtocolError, httpx2.ReadError, anthropic.APIConnectionError)
    ):
        await ask(client)


async def test_an_error_inside_the_block_comes_out_as_it_is() -> None:
    with pytest.raises(ZeroDivisionError):
        async with scripted_model("no_change"):
            raise ZeroDivisionError


async def test_garbage_is_no_message(client_of: MakeClient) -> None:
    async with scripted_model("garbage") as model:
        response = await client_of(model.url).messages.with_raw_response.create(
            model=MODEL, max_tokens=9, messages=[USER], stream=True
        )
        assert response.headers["content-type"] == "text/html"
        assert await response.text() == "<html><body>502 Bad Gateway</body></html>"


async def test_variations_talk_side_by_side_and_each_gets_its_own_lane(
    client_of: MakeClient,
) -> None:
    lanes = {
        number: [{"say": f"lane {number}"}, {"say": f"lane {number} goes on"}]
        for number in range(1, 9)
    }
    said: dict[int, list[str]] = {number: [] for number in lanes}

    async def talk(number: int) -> None:
        client = client_of(model.url, f"lease-{number}-x")
        first = await ask(client, USER)
        second = await ask(
            client, USER, first.to_param(), {"role": "user", "content": "Go on."}
        )
        said[number] += [text_of(first), text_of(second)]

    async with (
        scripted_model({"pace": 0.001, "lanes": lanes}) as model,
        asyncio.TaskGroup() as tasks,
    ):
        for number in lanes:
            tasks.create_task(talk(number))
    assert said == {
        number: [f"lane {number}", f"lane {number} goes on"] for number in lanes
    }


async def test_a_conversation_goes_on_with_another_server(
    client_of: MakeClient,
) -> None:
    async with scripted_model("one_edit") as model:
        first = await ask(client_of(model.url))
    result: Any = {
        "type": "tool_result",
        "tool_use_id": first.content[-1].to_dict()["id"],
        "content": "def add…",
    }
    async with scripted_model("one_edit") as model:
        second = await ask(
            client_of(model.url),
            USER,
            first.to_param(),
            {"role": "user", "content": [result]},
        )
    assert text_of(second) == "The sign is wrong."


async def test_a_cached_prompt_is_written_once_and_read_back(
    client_of: MakeClient,
) -> None:
    async with scripted_model(one({"say": "Hello.", "repeat": True})) as model:
        client = client_of(model.url)
        plain = (await ask(client)).usage
        first_answer = await ask(client, USER, cache_control={"type": "ephemeral"})
        talk: list[MessageParam] = [
            USER,
            first_answer.to_param(),
            {"role": "user", "content": "Go on."},
        ]
        first, second = (
            first_answer.usage,
            (await ask(client, *talk, cache_control={"type": "ephemeral"})).usage,
        )
    assert (plain.cache_creation_input_tokens, plain.cache_read_input_tokens) == (0, 0)
    assert (first.input_tokens, first.cache_creation_input_tokens) == (
        0,
        plain.input_tokens,
    )
    assert second.cache_read_input_tokens == first.cache_creation_input_tokens
    assert second.cache_creation_input_tokens


async def test_what_arrived_can_be_read_back(client_of: MakeClient) -> None:
    async with scripted_model("no_change") as model:
        await ask(client_of(model.url, "lease-4-abc"))
        (request,) = model.requests
    assert (request.method, request.path) == ("POST", "/v1/messages")
    assert "lease-4-abc" in request.headers.get(
        "x-api-key", request.headers.get("authorization", "")
    )
    assert request.body["messages"] == [USER]


async def test_tokens_are_counted_and_models_listed(client_of: MakeClient) -> None:
    async with scripted_model("no_change") as model:
        client = client_of(model.url)
        few = await client.messages.count_tokens(model=MODEL, messages=[USER])
        more = await client.messages.count_tokens(
            model=MODEL, messages=[USER], tools=[BASH]
        )
        names = [found.id async for found in client.models.list()]
    assert 0 < few.input_tokens < more.input_tokens
    assert MODEL in names
