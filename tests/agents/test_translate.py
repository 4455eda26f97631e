"""What agents say, in our words.

The golden lines have the shapes that real agents sent (notes on each agent's ACP).
"""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aideator.agents.translate import RAW_MAX, TEXT_MAX, translate
from aideator.domain.events import (
    AgentOutput,
    DiffContent,
    EventBodyAdapter,
    ToolCall,
    ToolCallUpdate,
)

GOLDEN = Path(__file__).parent / "golden"

text = st.lists(
    st.text(max_size=5) | st.sampled_from(["\0", "\ud800", "\udfff"]), max_size=3
).map("".join)
"""Any text that JSON can carry, lone surrogates included."""
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | text,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=4)
    ),
    max_leaves=20,
)
odd = text | anything
contents = st.lists(
    st.fixed_dictionaries(
        {
            "type": st.just("content"),
            "content": st.fixed_dictionaries({"type": odd, "text": odd}),
        }
    )
    | st.fixed_dictionaries(
        {"type": st.just("diff"), "path": odd, "newText": odd},
        optional={"oldText": odd},
    )
    | anything,
    max_size=3,
)
chunks = st.fixed_dictionaries(
    {
        "sessionUpdate": st.sampled_from(
            ["agent_message_chunk", "agent_thought_chunk"]
        ),
        "content": st.fixed_dictionaries({"type": st.just("text"), "text": text})
        | anything,
    },
    optional={"messageId": odd},
)
calls = st.fixed_dictionaries(
    {
        "sessionUpdate": st.sampled_from(["tool_call", "tool_call_update"]),
        "toolCallId": odd,
    },
    optional={
        **dict.fromkeys(
            ["title", "kind", "status", "rawInput", "rawOutput", "_meta"], odd
        ),
        "content": contents | anything,
        "locations": st.lists(
            st.fixed_dictionaries({"path": odd}) | anything, max_size=3
        )
        | anything,
    },
)
entries = st.lists(
    st.fixed_dictionaries(
        {}, optional=dict.fromkeys(["content", "priority", "status"], odd)
    )
    | anything
)
plans = st.fixed_dictionaries(
    {"sessionUpdate": st.just("plan"), "entries": entries | anything}
)
infos = st.fixed_dictionaries(
    {
        "sessionUpdate": st.just("session_info_update"),
        "_meta": st.fixed_dictionaries({"codex": st.fixed_dictionaries({"error": odd})})
        | anything,
    },
)


@pytest.mark.parametrize("name", ["claude", "codex", "others"])
def test_updates_of_known_agents_keep_their_meaning(name: str) -> None:
    told = [
        translate(json.loads(line))
        for line in (GOLDEN / f"{name}.jsonl").read_text().splitlines()
    ]
    expected = [
        json.loads(line)
        for line in (GOLDEN / f"{name}.expected.jsonl").read_text().splitlines()
    ]
    assert [body and body.model_dump(mode="json") for body in told] == expected


@given(chunks | calls | plans | infos | anything)
def test_whatever_an_agent_says_becomes_a_storable_event_or_nothing(
    update: Any,
) -> None:
    body = translate(update)
    if body is not None:
        stored = body.model_dump_json()
        assert "\\u0000" not in stored
        assert EventBodyAdapter.validate_json(stored) == body


def test_text_is_capped() -> None:
    body = translate(
        {
            "sessionUpdate": "agent_message_chunk",
            "content": {"type": "text", "text": "x" * 10**6},
        }
    )
    assert isinstance(body, AgentOutput)
    assert len(body.text) == TEXT_MAX


def test_files_and_raw_input_are_capped() -> None:
    long = "x" * 10**6
    diff = {"type": "diff", "path": "big", "oldText": long, "newText": long}
    call = {
        "sessionUpdate": "tool_call",
        "toolCallId": "1",
        "content": [diff] * 1000,
        "rawInput": [long] * 1000,
    }
    body = translate(call)
    assert isinstance(body, ToolCall)
    assert isinstance(body.content[0], DiffContent)
    assert len(body.content[0].new_text) == TEXT_MAX
    assert len(body.content) == 100
    assert isinstance(body.raw_input, str)
    assert len(body.raw_input) == RAW_MAX + 1


def test_what_no_store_takes_is_replaced() -> None:
    body = translate(
        {"sessionUpdate": "tool_call_update", "toolCallId": "1", "title": "a\0b\ud800c"}
    )
    assert isinstance(body, ToolCallUpdate)
    assert body.title == "a\ufffdb?c"


def test_deep_nesting_is_cut() -> None:
    deep: object = "core"
    for _ in range(500):
        deep = [deep]
    body = translate(
        {"sessionUpdate": "tool_call", "toolCallId": "1", "rawInput": deep}
    )
    assert isinstance(body, ToolCall)
    assert body.raw_input == [[[[[[[["…"]]]]]]]]
