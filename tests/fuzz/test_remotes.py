"""Addresses of repositories, and what servers answer: redirects, bodies, forges.

A source is an allowed URL without user, query or control character. A server's answer
ends in a repository, an `InvalidInput`, a `RepositoryError` or a `ForgeRefused`, with a
message of bounded length; at most `MAX_RESPONSE` bytes of it are kept.
"""

import asyncio
import gzip
import re
from urllib.parse import urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from aideator.domain.errors import ForgeRefused, InvalidInput, RepositoryError
from aideator.publishing.forge import FORGES, Proposal, open_pull_request
from aideator.repositories.http_client import MAX_RESPONSE, call_api, is_public
from aideator.repositories.remote import resolve_remote
from aideator.repositories.source import Source, SourcePolicy, parse_source
from tests.conftest import PATIENCE
from tests.fuzz.strategies import (
    JSON,
    TEXTS,
    around,
    as_json,
    examples,
    mutated,
    objects,
)
from tests.fuzz.work import check_large, peak_memory

ANY_HOST = SourcePolicy(frozenset({"*"}), frozenset({"git.example:8080"}))
URLS = (
    b"https://github.com/user/repo.git",
    b"https://git.example:8080/a/b",
    b"git@github.com:user/repo.git",
    b"https://[2001:db8::1]/a",
    b"http://user:pw@xn--a/%2e%2e/x?y#z",
    b"ssh://git@host/x",
)
PLAIN = re.compile(r"https?://[a-z0-9._:\[\]-]+/[^\x00-\x20\x7f?#\\\"'`<>^{|}]*")


@examples(200)
@given(mutated(URLS))
@example(b"https://[/a")
@example(b"https://a:" + b"9" * 5_000 + b"/a")
@example("https://\u2100.example/a".encode())
def test_a_source_is_an_allowed_url_or_refused(data: bytes) -> None:
    try:
        source = parse_source(data.decode(errors="replace"), ANY_HOST)
    except InvalidInput:
        return
    assert PLAIN.fullmatch(source.url)
    assert "@" not in urlsplit(source.url).netloc
    assert re.fullmatch(r"[a-z0-9-]{0,40}-[0-9a-f]{12}", source.key)
    assert parse_source(source.url, ANY_HOST) == source


def test_a_large_source_takes_no_long() -> None:
    def parse(data: bytes) -> None:
        with pytest.raises(InvalidInput):
            parse_source(data.decode(), ANY_HOST)

    for build in (
        around(b"a", b".a", b":"),
        around(b"git@", b"a-", b" "),
        around(b"https://", b"a.", b"/ "),
    ):
        check_large(parse, build, per_byte=50)


@examples(100)
@given(st.ip_addresses())
def test_no_address_of_this_machine_is_public(address: object) -> None:
    if is_public(str(address)):
        assert not getattr(address, "is_private", False)
        assert not getattr(address, "is_loopback", False)


class Answers:
    """A server that answers each connection with the same bytes, then hangs up."""

    def __init__(self, said: bytes) -> None:
        self._said = said

    async def __aenter__(self) -> Source:
        self._server = await asyncio.start_server(self._answer, "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        return Source(f"http://127.0.0.1:{port}/a/b")

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await self._server.wait_closed()

    async def _answer(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(self._said)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


LOCAL = SourcePolicy(frozenset(), frozenset({"127.0.0.1"}))


async def discover(said: bytes) -> str:
    async with Answers(said) as source, asyncio.timeout(PATIENCE):
        return (await resolve_remote(source, LOCAL, {})).url


async def propose(said: bytes, kind: str) -> str:
    asked = Proposal(head="h", base="main", title="t", body="b")
    async with Answers(said) as source, asyncio.timeout(PATIENCE):
        return await open_pull_request(
            FORGES[kind], source, asked, token="t", policy=LOCAL
        )


async def call(said: bytes) -> bytes:
    async with Answers(said) as source, asyncio.timeout(PATIENCE):
        _, body = await call_api("GET", source.url, LOCAL, headers={})
        return body


REFS = b"application/x-git-upload-pack-advertisement"
HEADS = (
    b"HTTP/1.1 200 OK\r\ncontent-type: " + REFS + b"\r\ncontent-length: 0\r\n\r\n",
    b"HTTP/1.1 301 Moved\r\nlocation: /c/d/info/refs?service=git-upload-pack\r\n"
    b"content-length: 0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    b"HTTP/1.1 401 No\r\nwww-authenticate: Basic\r\n\r\n",
)


def moved(to: bytes) -> bytes:
    return b"HTTP/1.1 302 Found\r\nlocation: " + to + b"\r\ncontent-length: 0\r\n\r\n"


DISCOVERY = b"/info/refs?service=git-upload-pack"


@examples(25)
@given(mutated(HEADS))
@example(moved(b"http://["))
@example(moved(b"http://[" + DISCOVERY))
@example(moved(b"http://a:99999" + DISCOVERY))
@example(moved(b"/" + b"x" * 70_000 + DISCOVERY))
@example(moved(b"//127.0.0.1:0/x" + DISCOVERY))
@example(moved(b"\xff\xfe" + DISCOVERY))
def test_a_broken_answer_is_no_repository(said: bytes) -> None:
    check_refused_or_url(said)


@examples(25)
@given(mutated(URLS))
def test_a_redirect_leads_to_an_allowed_server_only(to: bytes) -> None:
    line = re.sub(rb"[\r\n\0]", b"", to)
    check_refused_or_url(moved(line + DISCOVERY))


def check_refused_or_url(said: bytes) -> None:
    try:
        url = asyncio.run(discover(said))
    except RepositoryError as error:
        message = str(error)
    else:
        message = ""
        assert url.startswith("http://127.0.0.1:")
    assert len(message) <= 10_000


FORGE_ANSWER = objects("html_url", "web_url", "message", "error", "errors", "state")


@pytest.mark.parametrize("kind", FORGES)
@examples(6)
@given(st.one_of(FORGE_ANSWER, st.lists(FORGE_ANSWER, max_size=2), JSON), TEXTS)
def test_any_answer_of_a_forge(kind: str, answer: object, wait: str) -> None:
    body = as_json(answer)
    retry = re.sub(r"[^ -~]", "9", wait).encode()
    for status in (201, 403, 422):
        head = b"HTTP/1.1 %d X\r\nretry-after: %s\r\ncontent-length: %d\r\n\r\n"
        check_is_refused(head % (status, retry, len(body)) + body, kind)


@pytest.mark.parametrize(
    "body",
    [b'{"message":' + b"[" * 980 + b"]" * 980 + b"}", b"[" * 10**5, b"9" * 5_000],
    ids=["nested", "open", "digits"],
)
def test_a_deep_answer_of_a_forge(body: bytes) -> None:
    head = b"HTTP/1.1 422 X\r\ncontent-length: %d\r\n\r\n" % len(body)
    check_is_refused(head + body, "gitlab")


def check_is_refused(said: bytes, kind: str) -> None:
    try:
        url = asyncio.run(propose(said, kind))
    except ForgeRefused as refused:
        words = f"{refused} {refused.hint}"
    else:
        words = url
        assert url.startswith(("http://", "https://"))
    assert len(words) <= 2_500
    assert words.encode()


def test_a_forge_that_asks_for_a_long_wait() -> None:
    wait = b"retry-after: " + b"9" * 5_000
    check_is_refused(
        b"HTTP/1.1 429 X\r\n" + wait + b"\r\ncontent-length: 0\r\n\r\n", "github"
    )


def test_a_body_that_unpacks_is_kept_in_part() -> None:
    packed = gzip.compress(bytes(200 * 2**20))
    head = b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: %d\r\n\r\n"
    said = head % len(packed) + packed
    peak = peak_memory(lambda: asyncio.run(call(said)))
    assert peak <= 20 * MAX_RESPONSE
