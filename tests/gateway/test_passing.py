"""What passes through the gateway, and what does not."""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aideator.domain.usage import Budget
from aideator.gateway.lease import Lease
from tests.gateway.harness import KEY, Harness, open_harness
from tests.gateway.provider import end, message, sse, start, stream, text, whole


@pytest.fixture(scope="module")
async def passage(wide: Harness) -> AsyncIterator[tuple[Harness, Lease]]:
    """One lease for many examples."""
    async with wide.lease() as lease:
        yield wide, lease


@settings(deadline=None, max_examples=60)
@given(
    prompt=st.text(st.characters(exclude_categories=["Cs"]))
    | st.binary(max_size=3000).map(lambda raw: raw.decode("latin-1")),
    indent=st.sampled_from([None, 0, 3]),
    ascii_only=st.booleans(),
    pieces=st.lists(st.binary(min_size=1, max_size=5000), max_size=8),
)
async def test_bytes_pass_untouched_in_both_directions(
    passage: tuple[Harness, Lease],
    prompt: str,
    indent: int | None,
    ascii_only: object,
    pieces: list[bytes],
) -> None:
    harness, lease = passage
    harness.provider.play = stream(*pieces)
    sent = json.dumps(
        {"model": "m", "max_tokens": 1, "x": prompt},
        indent=indent,
        ensure_ascii=bool(ascii_only),
    )
    body = sent.encode()
    answer = await harness.agent.post(
        "/v1/messages", content=body, headers={"x-api-key": lease.token}
    )
    assert harness.provider.requests[-1].body == body
    assert answer.content == b"".join(pieces)


@settings(deadline=None, max_examples=60)
@given(
    before=st.binary(max_size=60),
    after=st.binary(max_size=60),
    cuts=st.lists(st.integers(0, 200), max_size=6).map(sorted),
    status=st.sampled_from(["200 OK", "400 Bad Request"]),
)
async def test_the_real_key_never_comes_back_however_an_answer_is_cut_up(
    passage: tuple[Harness, Lease],
    before: bytes,
    after: bytes,
    cuts: list[int],
    status: str,
) -> None:
    harness, lease = passage
    body = before + KEY.encode() + after
    edges = [0, *cuts, len(body)]

    async def play(
        request: object, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n"
        writer.write(f"{head}X-Debug: key={KEY}\r\n\r\n".encode())
        for left, right in itertools.pairwise(edges):
            writer.write(body[left:right])
            await writer.drain()
            await asyncio.sleep(0)

    harness.provider.play = play
    answer = await harness.ask(lease)
    assert KEY not in str(answer.headers)
    assert answer.content == before + b"*" * len(KEY) + after


async def test_each_piece_of_a_stream_arrives_before_the_next_is_sent(
    home: Path,
) -> None:
    arrived = asyncio.Event()

    async def play(
        request: object, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
            b"Connection: close\r\n\r\n" + first
        )
        await arrived.wait()
        writer.write(second)
        writer.close()

    first, second = sse(start(), text("one")), sse(*end(2))
    async with open_harness(home, play) as harness, harness.lease() as lease:
        body = {"model": "m", "max_tokens": 1}
        headers = {"x-api-key": lease.token}
        async with harness.agent.stream(
            "POST", "/v1/messages", json=body, headers=headers
        ) as answer:
            pieces = answer.aiter_raw()
            got = await anext(pieces)
            assert got == first
            arrived.set()
            assert b"".join([piece async for piece in pieces]) == second


@pytest.mark.parametrize(
    "headers",
    [{"authorization": "Bearer {}"}, {"x-api-key": "{}"}, {"x-goog-api-key": "{}"}],
    ids=["bearer", "x-api-key", "x-goog-api-key"],
)
async def test_the_provider_gets_the_real_key_and_nothing_of_the_callers_credentials(
    home: Path, headers: dict[str, str]
) -> None:
    async with (
        open_harness(
            home, whole(message(), "200 OK", "Set-Cookie: session=1")
        ) as harness,
        harness.lease() as lease,
    ):
        given = {name: value.format(lease.token) for name, value in headers.items()}
        extra = {
            "cookie": "mine=1",
            "anthropic-beta": "a,b",
            "anthropic-version": "2023-06-01",
        }
        for _ in range(2):
            answer = await harness.agent.post(
                "/v1/messages?beta=true",
                json={"model": "m"},
                headers={**given, **extra, "connection": "x-hop", "x-hop": "1"},
            )
        request = harness.provider.requests[-1]
    assert answer.status_code == 200
    assert "set-cookie" not in answer.headers
    names = [name for name, _ in request.headers]
    assert (names.count("x-api-key"), request.header("x-api-key")) == (1, KEY)
    assert lease.token not in str(request)
    assert {"authorization", "cookie", "x-goog-api-key", "x-hop"}.isdisjoint(names)
    assert (request.target, request.header("anthropic-beta")) == (
        "/v1/messages?beta=true",
        "a,b",
    )
    assert request.header("anthropic-version") == "2023-06-01"


async def test_an_upstream_without_a_key_is_shown_the_lease(home: Path) -> None:
    async with (
        open_harness(home, whole(message()), key=None) as harness,
        harness.lease(7) as lease,
    ):
        await harness.ask(lease)
        assert harness.provider.requests[-1].header("x-api-key") == lease.token
        assert lease.token.startswith("lease-7-")


async def test_an_agent_can_count_tokens_and_list_models(home: Path) -> None:
    async with (
        open_harness(home, whole(b'{"input_tokens": 12}')) as harness,
        harness.lease() as lease,
    ):
        headers = {"x-api-key": lease.token}
        counted = await harness.agent.post(
            "/v1/messages/count_tokens", json={"model": "m"}, headers=headers
        )
        models = await harness.agent.get("/v1/models?limit=5", headers=headers)
        assert (counted.json(), models.status_code) == ({"input_tokens": 12}, 200)
        assert [request.target for request in harness.provider.requests] == [
            "/v1/messages/count_tokens",
            "/v1/models?limit=5",
        ]
        assert lease.usage.requests == 0
        assert harness.seen == []


async def test_a_base_url_may_have_a_path(home: Path) -> None:
    async with open_harness(home, whole(message())) as harness:
        prefixed = harness.provider.url + "/anthropic/"
        (home / "b").mkdir()
        async with (
            open_harness(home / "b", whole(b""), base_url=prefixed) as other,
            other.lease() as lease,
        ):
            assert (await other.ask(lease)).status_code == 200
        assert harness.provider.requests[-1].target == "/anthropic/v1/messages"


async def test_only_the_token_of_an_open_lease_is_let_in(home: Path) -> None:
    async with open_harness(home, whole(message())) as harness:
        async with harness.lease() as ended:
            pass
        for token in (ended.token, "lease-1-x", KEY, ""):
            answer = await harness.agent.post(
                "/v1/messages", json={"model": "m"}, headers={"x-api-key": token}
            )
            assert answer.status_code == 401
            assert answer.json()["error"]["type"] == "authentication_error"
            assert answer.headers["x-should-retry"] == "false"
        assert harness.provider.requests == []


HOSTILE = [
    "POST /v1/files HTTP/1.1",
    "POST /v1/messages/batches HTTP/1.1",
    "GET /v1/messages HTTP/1.1",
    "DELETE /v1/models HTTP/1.1",
    "POST /v1/messages/../files HTTP/1.1",
    "POST /v1/./messages HTTP/1.1",
    "POST /v1/%6dessages HTTP/1.1",
    "POST //v1/messages HTTP/1.1",
    "POST /v1/messages/ HTTP/1.1",
    "POST /v1/messages;x HTTP/1.1",
    "POST /V1/messages HTTP/1.1",
    "GET /v1/models/..%2f..%2fadmin HTTP/1.1",
    "GET http://169.254.169.254/latest/meta-data HTTP/1.1",
    "CONNECT example.com:443 HTTP/1.1",
    "OPTIONS * HTTP/1.1",
    "GET /v1/mod\x00els HTTP/1.1",
    "GET /v1/models\r\n\r\nGARBAGE HTTP/1.1",
]


async def raw(harness: Harness, head: str) -> bytes:
    reader, writer = await asyncio.open_unix_connection(harness.gateway.socket)
    writer.write(head.encode("latin-1"))
    answer = await asyncio.wait_for(reader.read(), 10)
    writer.close()
    return answer


@pytest.mark.parametrize("line", HOSTILE)
async def test_nothing_but_the_listed_calls_reaches_the_provider(
    home: Path, line: str
) -> None:
    async with open_harness(home, whole(b"{}")) as harness, harness.lease() as lease:
        answer = await raw(
            harness,
            f"{line}\r\nHost: x\r\nx-api-key: {lease.token}\r\n"
            "Connection: close\r\n\r\n",
        )
        assert (
            answer.startswith((b"HTTP/1.1 400", b"HTTP/1.1 404", b"HTTP/1.1 401"))
            or answer == b""
        )
        assert harness.provider.requests == []


async def test_neither_host_nor_an_absolute_address_leads_elsewhere(home: Path) -> None:
    async with open_harness(home, whole(b"{}")) as harness, harness.lease() as lease:
        line = (
            "GET http://evil.example/v1/models HTTP/1.1\r\nHost: evil.example\r\n"
            "X-Forwarded-Host: evil.example"
        )
        answer = await raw(
            harness, f"{line}\r\nx-api-key: {lease.token}\r\nConnection: close\r\n\r\n"
        )
        assert answer.startswith(b"HTTP/1.1 200")
        request = harness.provider.requests[-1]
        assert (request.target, request.header("host")) == (
            "/v1/models",
            httpx2.URL(harness.provider.url).netloc.decode(),
        )


async def test_smuggled_lengths_are_refused(home: Path) -> None:
    async with open_harness(home, whole(b"{}")) as harness, harness.lease() as lease:
        head = (
            "POST /v1/messages HTTP/1.1\r\nHost: x\r\n"
            f"x-api-key: {lease.token}\r\nContent-Length: 4\r\n"
        )
        for second in ("Content-Length: 9\r\n", "Transfer-Encoding: chunked\r\n"):
            answer = await raw(
                harness, head + second + "\r\n0\r\n\r\nGET /v1/models HTTP/1.1\r\n\r\n"
            )
            assert answer.startswith(b"HTTP/1.1 400")
        assert harness.provider.requests == []


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{", b"\xff\xfe", b'"x"', b"[" * 100_000],
    ids=lambda body: repr(body[:6]),
)
async def test_a_body_that_is_no_json_object_is_refused(
    home: Path, body: bytes
) -> None:
    async with (
        open_harness(home, whole(message())) as harness,
        harness.lease(budget=Budget(run_tokens=9)) as lease,
    ):
        answer = await harness.agent.post(
            "/v1/messages", content=body, headers={"x-api-key": lease.token}
        )
        assert (answer.status_code, answer.json()["error"]["type"]) == (
            400,
            "invalid_request_error",
        )
        assert harness.provider.requests == []
