"""The real key is blanked out of answers, in each usual form and at each cut."""

import base64
import itertools
import json
import random
import zlib
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path
from urllib.parse import quote

import httpx2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from aideator.gateway.redact import Redaction
from aideator.gateway.upstream import INFLATED_BYTES_MAX, Upstream
from tests.gateway.harness import KEY, open_harness
from tests.gateway.provider import open_provider, sse, start, stream, text, whole

SECRET = "sk-ant-api03-Zx9/+q_7-0Aé".encode()[:-2] + b"b" * 60 + b"/+_-AA"
RANDOM = random.Random(1)

Form = Callable[[bytes], bytes]


def mixed(key: bytes) -> bytes:
    ways: list[Callable[[int], bytes]] = [
        lambda byte: b"%c" % byte,
        lambda byte: b"\\u%04x" % byte,
        lambda byte: b"\\u%04X" % byte,
        lambda byte: b"\\\\u%04x" % byte,
        lambda byte: b"%%%02X" % byte,
        lambda byte: b"%%25%02x" % byte,
        lambda byte: b"&#%d;" % byte,
        lambda byte: b"&#x%02x;" % byte,
    ]
    return b"".join(RANDOM.choice(ways)(byte) for byte in key)


FORMS: dict[str, Form] = {
    "as it is": lambda key: key,
    "percent-encoded": lambda key: quote(key, safe="").encode(),
    "percent-encoded in full": lambda key: b"".join(b"%%%02x" % byte for byte in key),
    "twice percent-encoded": lambda key: quote(quote(key, safe="")).encode(),
    "JSON escapes": lambda key: b"".join(b"\\u%04x" % byte for byte in key),
    "one JSON escape": lambda key: b"\\u%04x" % key[0] + key[1:],
    "slashes escaped": lambda key: key.replace(b"/", b"\\/"),
    "HTML entities": lambda key: b"".join(b"&#%d;" % byte for byte in key),
    "a mixture": mixed,
    "hex": lambda key: key.hex().encode(),
    "HEX": lambda key: key.hex().upper().encode(),
    "hex dump": lambda key: key.hex(" ").encode(),
    "hex with colons": lambda key: key.hex(":").encode(),
    "reversed": lambda key: key[::-1],
}


@pytest.mark.parametrize("key", [KEY.encode(), SECRET], ids=["plain", "odd"])
@pytest.mark.parametrize("form", FORMS)
def test_a_form_of_the_key_is_blanked_and_the_length_kept(
    form: str, key: bytes
) -> None:
    written = FORMS[form](key)
    for before, after in (
        (b"", b""),
        (b'{"error": "', b'"}'),
        (b"a=", b"&b=%20\\u00e9"),
    ):
        blanked = Redaction(key).blank(before + written + after)
        assert blanked == before + b"*" * len(written) + after


@pytest.mark.parametrize("key", [KEY.encode(), SECRET], ids=["plain", "odd"])
@pytest.mark.parametrize("before", ["", "x", "xy", "user:", "Bearer ", "x-api-key: "])
@pytest.mark.parametrize("after", [b"", b"1", b"12", b"\r\n"])
@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
def test_base64_is_blanked_at_each_alignment(
    key: bytes, before: str, after: bytes, encode: Form
) -> None:
    written = encode(before.encode() + key + after)
    for sent in (written, written.replace(b"/", b"\\/")):
        blanked = Redaction(key).blank(sent)
        assert len(blanked) == len(sent)
        # What is left beside the stars is written by neighbours: less than a byte.
        left = written.rstrip(b"=").removesuffix(encode(after).rstrip(b"="))
        assert blanked.count(b"*") >= len(key) * 4 // 3 - 1, (left, blanked)


async def pass_through(key: bytes, pieces: Iterable[bytes]) -> list[bytes]:
    async def chunks() -> AsyncIterator[bytes]:
        for piece in pieces:
            yield piece

    return [piece async for piece in Redaction(key).blank_stream(chunks())]


@settings(deadline=None, max_examples=300)
@given(
    form=st.sampled_from(list(FORMS)),
    before=st.binary(max_size=40).map(lambda raw: raw.rstrip(b"\\")),
    after=st.binary(max_size=40),
    cuts=st.lists(st.integers(0, 600), max_size=8).map(sorted),
)
async def test_no_cut_lets_a_form_of_the_key_through(
    form: str, before: bytes, after: bytes, cuts: list[int]
) -> None:
    written = FORMS[form](SECRET)
    body = before + written + after
    pieces = [body[a:b] for a, b in itertools.pairwise([0, *cuts, len(body)])]
    passed = b"".join(await pass_through(SECRET, pieces))
    assert len(passed) == len(body)
    assert written not in passed
    assert passed.startswith(before)
    assert passed.endswith(after)


@settings(deadline=None, max_examples=200)
@given(st.lists(st.binary(max_size=50), max_size=10))
async def test_what_holds_no_key_passes_untouched(pieces: list[bytes]) -> None:
    assert b"".join(await pass_through(SECRET, pieces)) == b"".join(pieces)


def deltas(*pieces: str) -> bytes:
    return sse(start(), *(text(piece) for piece in pieces), text("end"))


def texts(stream: bytes) -> str:
    events = [
        json.loads(line[5:]) for line in stream.split(b"\n") if line.startswith(b"data")
    ]
    return "".join(event.get("delta", {}).get("text", "") for event in events)


@pytest.mark.parametrize("chunk", [1, 7, 100, 10_000])
@pytest.mark.parametrize("cut", range(1, len(KEY)))
async def test_a_key_cut_into_two_pieces_of_a_stream_is_blanked(
    cut: int, chunk: int
) -> None:
    sent = deltas("the key: ", KEY[:cut], KEY[cut:], " and more")
    pieces = [sent[at : at + chunk] for at in range(0, len(sent), chunk)]
    passed = b"".join(await pass_through(KEY.encode(), pieces))
    told = texts(passed)
    assert len(passed) == len(sent)
    assert KEY[2:] not in told
    # Of a first piece of one or two characters, these come out.
    assert told.removeprefix("the key: ")[:2].strip("*") in {"", "s", "sk"}
    assert told.endswith("* and moreend")


async def test_a_key_cut_into_many_pieces_of_a_stream_is_blanked() -> None:
    sent = deltas(KEY[:5], KEY[5:9], KEY[9:20], KEY[20:30], KEY[30:])
    passed = b"".join(await pass_through(KEY.encode(), [sent]))
    assert texts(passed) == "*" * len(KEY) + "end"


async def test_a_stream_waits_only_for_what_may_become_the_key() -> None:
    first = deltas("risk", "task s", "sk")
    second = deltas("done")
    assert await pass_through(KEY.encode(), [first, second]) == [first, second]


async def test_a_header_whose_name_holds_the_key_is_dropped(home: Path) -> None:
    play = whole(b"{}", "200 OK", f"X-{KEY}: 1", f"X-{KEY.upper()}: 1", "X-Ok: 1")
    async with open_harness(home, play) as harness, harness.lease() as lease:
        answer = await harness.ask(lease)
    assert KEY not in str(answer.headers).lower()
    assert answer.headers["x-ok"] == "1"


async def test_no_form_of_the_key_comes_back_through_the_gateway(home: Path) -> None:
    body = b"\n".join(form(KEY.encode()) for form in FORMS.values())
    async with (
        open_harness(
            home, stream(*(body[at : at + 9] for at in range(0, len(body), 9)))
        ) as harness,
        harness.lease() as lease,
    ):
        answer = await harness.ask(lease, stream=True)
    assert set(answer.content) == set(b"*\n")


@pytest.mark.parametrize("key", ["", "short", "x"])
async def test_a_short_key_is_found_as_it_is_only(key: str) -> None:
    body = b"a short text with an x, in hex 73686f7274, 73:68:6f"
    expected = body.replace(key.encode(), b"*" * len(key)) if key else body
    assert b"".join(await pass_through(key.encode(), [body])) == expected


async def test_an_answer_is_inflated_in_bounded_pieces() -> None:
    squeeze = zlib.compressobj(wbits=31)
    bomb = squeeze.compress(bytes(300 * 2**20)) + squeeze.flush()
    assert len(bomb) < 400_000
    play = whole(bomb, "200 OK", "Content-Encoding: gzip")
    total = 0
    async with open_provider(play) as provider, httpx2.AsyncClient() as client:
        upstream = Upstream(client, provider.url, SecretStr(KEY))
        call = upstream.call("GET", b"/v1/models", [], b"", "token")
        async with call as answer:
            async for chunk in answer.chunks:
                assert len(chunk) <= INFLATED_BYTES_MAX
                total += len(chunk)
    assert total == 300 * 2**20
