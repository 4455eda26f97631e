"""A body has one reading, or it does not pass."""

import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from aideator.domain.usage import Budget
from aideator.gateway.strict_json import (
    DEPTH_MAX,
    VALUES_MAX,
    AmbiguousJson,
    parse_object,
)
from tests.gateway.harness import Harness
from tests.gateway.provider import MODEL

ROUTES = ["/v1/messages", "/v1/messages/count_tokens"]
ASKED = f'"model": "{MODEL}", "max_tokens": 9'
DEEP = 2 * DEPTH_MAX

AMBIGUOUS = {
    "max_tokens twice": (
        f'{{{ASKED}, "max_tokens": 64000}}',
        "max_tokens stands twice",
    ),
    "model twice": (f'{{"model": "claude-haiku-4-5", {ASKED}}}', "model stands twice"),
    "tools twice": (
        f'{{"tools": [{{"type": "web_fetch_20250910"}}], {ASKED}, "tools": []}}',
        "tools stands twice",
    ),
    "a tool's type twice": (
        f'{{{ASKED}, "tools": [{{"type": "web_fetch_20250910", "type": "custom"}}]}}',
        "tools[0].type stands twice",
    ),
    "a source's type twice": (
        f'{{{ASKED}, "messages": [{{"role": "user", "content": [{{"type": "image", '
        '"source": {"type": "url", "type": "base64"}}]}]}',
        "messages[0].content[0].source.type stands twice",
    ),
    "a key twice in a tool's input": (
        f'{{{ASKED}, "messages": [{{"role": "assistant", "content": [{{"type": '
        '"tool_use", "input": {"a b": 1, "a b": 2}}]}]}',
        "messages[0].content[0].input['a b'] stands twice",
    ),
    "one key written with an escape": (
        f'{{{ASKED}, "max\\u005ftokens": 64000}}',
        "written with escapes",
    ),
    "the only key written with an escape": (
        f'{{"model": "{MODEL}", "max_to\\u006Bens" : 64000}}',
        "written with escapes",
    ),
    "NaN": (f'{{{ASKED}, "temperature": NaN}}', "NaN is no number"),
    "infinity": (f'{{{ASKED}, "temperature": -Infinity}}', "-Infinity is no number"),
    "a number too large": (f'{{{ASKED}, "temperature": 1e999}}', "1e999 is too large"),
    "a number of 5,000 digits": (
        f'{{{ASKED}, "x": {"9" * 5000}}}',
        "not a JSON object",
    ),
    "a comment": (f'{{{ASKED} /* "max_tokens": 1 */}}', "not a JSON object"),
    "a comma at the end": (f"{{{ASKED},}}", "not a JSON object"),
    "text after the end": (f'{{{ASKED}}}{{"max_tokens": 1}}', "not a JSON object"),
    "a NUL after the end": (f"{{{ASKED}}}\0", "not a JSON object"),
    "a line end in a text": (f'{{{ASKED}, "x": "\n"}}', "not a JSON object"),
    "too deep": (f'{{{ASKED}, "x": {"[" * DEEP}{"]" * DEEP}}}', "levels deep"),
    "too deep in a tool's schema": (
        f'{{{ASKED}, "tools": [{{"name": "x", "input_schema": {"[" * DEEP}{"]" * DEEP}'
        "}]}",
        "levels deep",
    ),
    "deeper than any stack": (
        f'{{{ASKED}, "x": {"[" * 100_000}',
        "not a JSON object",
    ),
    "a model that is a list": (f'{{"model": ["{MODEL}"]}}', "model must be"),
    "no model": ('{"max_tokens": 9}', "model is missing"),
    "stream is a text": (f'{{{ASKED}, "stream": "true"}}', "stream must be"),
    "stream is 1": (f'{{{ASKED}, "stream": 1}}', "stream must be"),
    "messages are no list": (
        f'{{{ASKED}, "messages": {{"a": 1}}}}',
        "messages must be",
    ),
    "tools are no list": (f'{{{ASKED}, "tools": {{"a": 1}}}}', "tools must be"),
    "a tool is no object": (f'{{{ASKED}, "tools": ["x"]}}', "tools[0] must be"),
}


async def refused(harness: Harness, path: str, body: bytes) -> str:
    """Send a body; return why it was refused, once nothing has reached the provider."""
    harness.provider.requests.clear()
    async with harness.lease() as lease:
        answer = await harness.agent.post(
            path, content=body, headers={"x-api-key": lease.token}
        )
        message = str(answer.json()["error"]["message"])
        assert (answer.status_code, lease.last_error) == (400, message)
    assert answer.json()["error"]["type"] == "invalid_request_error"
    assert answer.headers["x-should-retry"] == "false"
    assert harness.provider.requests == []
    return message


@pytest.mark.parametrize("path", ROUTES)
@pytest.mark.parametrize("name", AMBIGUOUS)
async def test_a_body_that_may_be_read_in_two_ways_is_refused(
    wide: Harness, path: str, name: str
) -> None:
    body, words = AMBIGUOUS[name]
    assert words in await refused(wide, path, body.encode())


@pytest.mark.parametrize("coding", ["utf-16", "utf-32", "utf-8-sig", "utf-16-le"])
async def test_a_body_in_another_coding_than_utf_8_is_refused(
    wide: Harness, coding: str
) -> None:
    message = await refused(wide, ROUTES[0], f"{{{ASKED}}}".encode(coding))
    assert "not a JSON object in UTF-8" in message


async def test_a_body_of_more_values_than_a_model_can_read_is_refused(
    wide: Harness,
) -> None:
    body = f'{{{ASKED}, "x": [{"[]," * VALUES_MAX}[]]}}'
    assert "more than 1000000 values" in await refused(wide, ROUTES[0], body.encode())


COUNTS = ["64000.0", '"64000"', "true", "null", "0", "-1", "[64000]", "6e4", "2" * 20]


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize(
    "field",
    [
        '"max_tokens": {}',
        '"thinking": {{"type": "enabled", "budget_tokens": {}}}',
        '"fallbacks": [{{"model": "claude-opus-5-5", "max_tokens": {}}}]',
    ],
    ids=["max_tokens", "budget_tokens", "fallbacks"],
)
async def test_a_count_that_is_no_whole_number_of_at_least_1_is_refused(
    wide: Harness, field: str, count: str
) -> None:
    body = f'{{"model": "{MODEL}", {field.format(count)}}}'
    message = await refused(wide, ROUTES[0], body.encode())
    assert "must be a whole number from 1" in message


async def test_a_route_without_a_body_takes_none(wide: Harness) -> None:
    async with wide.lease() as lease:
        answer = await wide.agent.request(
            "GET", "/v1/models", content=b"{}", headers={"x-api-key": lease.token}
        )
    assert (answer.status_code, "no body" in answer.text) == (400, True)


async def test_what_is_refused_is_never_paid_for(wide: Harness) -> None:
    async with wide.lease(budget=Budget(run_usd=0.02)) as lease:
        for count in COUNTS:
            await wide.agent.post(
                "/v1/messages",
                content=f'{{"model": "{MODEL}", "max_tokens": {count}}}'.encode(),
                headers={"x-api-key": lease.token},
            )
        assert (lease.usage.requests, lease.budget.run.calls) == (0, [])


# Property: whatever is accepted reads the same in every parser.


def written(key: str, value: str) -> str:
    return f'"{key}" :{value}'


KEYS = st.sampled_from(["max_tokens", "model", "type", "source", "a", "é", "\\u00e9"])
ESCAPED = KEYS.map(lambda key: key.replace("_", "\\u005f").replace("y", "\\u0079"))
LEAVES = st.sampled_from(
    ["1", "-0", "1.0", "1e2", "1e999", "NaN", "true", "null", '"a"', '"\\ud800"', "01"]
) | st.integers(-(2**80), 2**80).map(str)
DOCUMENTS = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda items: f"[{','.join(items)}]")
        | st.lists(st.tuples(KEYS | ESCAPED, inner), max_size=4).map(
            lambda pairs: f"{{{', '.join(written(*pair) for pair in pairs)}}}"
        )
    ),
    max_leaves=12,
)


def first_wins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    return dict(reversed(pairs))


@settings(deadline=None, max_examples=600)
@given(DOCUMENTS)
@example('{"a": 1, "a": 2}')
@example('{"é": 1, "\\u00e9": 2}')
def test_what_is_accepted_has_one_reading(text: str) -> None:
    try:
        read = parse_object(text.encode("utf-8", "surrogatepass"))
    except AmbiguousJson:
        return
    assert read == json.loads(text)
    assert read == json.loads(text, object_pairs_hook=first_wins)
    rewritten = json.dumps(read, allow_nan=False)
    assert json.loads(rewritten) == read
    for key in ("max_tokens", "model", "type"):
        # A parser that compares keys without reading escapes finds them all.
        assert text.count(f'"{key}" :') == rewritten.count(f'"{key}": ')


@settings(deadline=None, max_examples=400)
@given(st.binary(max_size=200) | st.text(max_size=100).map(str.encode))
def test_whatever_the_bytes_reading_ends_with_an_object_or_a_refusal(
    body: bytes,
) -> None:
    try:
        read = parse_object(body)
    except AmbiguousJson:
        return
    assert read == json.loads(body)
