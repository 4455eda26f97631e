"""What a sandbox sends to the host's end of its link.

A connection that says no known thing is hung up on, after `HEADER_LIMIT` bytes at the
latest. A control channel that says nonsense ends its sandbox with `SandboxLost`; no
other exception leaves the link.
"""

import asyncio
import json
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from aideator.domain.errors import SandboxLost
from aideator.sandbox.link import Link
from tests.conftest import PATIENCE, make_home
from tests.fuzz.strategies import JSON, TEXTS, as_json, examples, mutated
from tests.sandbox.test_link import ISOLATION

CONTROL = b'{"stream": "control", "port": 1}\n'
HEADERS = (
    CONTROL,
    b'{"stream": "gateway", "id": "a"}\nPOST',
    b'{"stream": "port", "id": "b"}\n',
    b'{"stream": "stdout", "id": "c"}\nhello',
)
ANSWERS = (
    b'{"id": "ID", "code": 0}\n',
    b'{"id": "ID", "error": "no such file"}\n',
    b'{"id": "another", "code": 1}\n',
)


async def say(path: Path, said: bytes) -> None:
    """Say something on a connection of its own until the link hangs up."""
    async with Link(path, isolation=ISOLATION, env={}, output_bytes=100) as link:
        reader, writer = await asyncio.open_unix_connection(path)
        try:
            writer.write(said)
            writer.write_eof()
            await asyncio.wait_for(reader.read(), PATIENCE)
        except ConnectionError:
            pass
        finally:
            await hang_up(writer)
        assert not link.is_lost


async def hang_up(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()


async def answer(path: Path, said: bytes) -> int | str:
    """Answer the request to start a process; return its exit code or why it is lost."""
    async with Link(path, isolation=ISOLATION, env={}, output_bytes=100) as link:
        reader, control = await asyncio.open_unix_connection(path, limit=2**20)
        control.write(CONTROL)
        await link.ready()
        starting = asyncio.ensure_future(link.exec(["true"]))
        identity = json.loads(await reader.readline())["id"]
        streams = []
        for stream in ("stdin", "stdout", "stderr"):
            _, writer = await asyncio.open_unix_connection(path)
            header = json.dumps({"stream": stream, "id": identity})
            writer.write(header.encode() + b"\n")
            writer.write_eof()
            streams.append(writer)
        control.write(said.replace(b"ID", identity.encode()))
        control.write_eof()
        try:
            done = await asyncio.wait_for(starting, PATIENCE)
        except SandboxLost as lost:
            return str(lost)[:100_000]
        finally:
            for writer in (control, *streams):
                await hang_up(writer)
        return done.exit_code if done.exit_code is not None else "none"


@pytest.fixture(scope="module")
def place() -> Path:
    return make_home() / "link"


def at(place: Path) -> Path:
    place.unlink(missing_ok=True)
    return place


@examples(60)
@given(mutated(HEADERS[1:]))
@example(b"[" * 255 + b"\n")
@example(b'{"stream": "stdout", "id": ["c"]}\n')
@example(b'{"stream": "stdout", "id": "\\ud83d"}\n')
def test_a_broken_header_is_hung_up_on(place: Path, said: bytes) -> None:
    if b'"control"' not in said:
        asyncio.run(say(at(place), said))


@examples(60)
@given(st.dictionaries(st.sampled_from(["stream", "id", "port"]), JSON | TEXTS))
def test_any_values_in_a_header(place: Path, fields: dict[str, object]) -> None:
    if fields.get("stream") != "control":
        asyncio.run(say(at(place), as_json(fields) + b"\n"))


@examples(40)
@given(mutated(ANSWERS))
@example(b"{}\n")
@example(b"[]\n")
@example(b'{"id": []}\n')
@example(b'{"id": {"a": 1}, "code": 0}\n')
@example(b'{"id": "ID", "code": "0"}\n')
@example(b'{"id": "ID", "error": 5}\n')
@example(b'{"id": "ID", "error": "' + b"x" * 70_000 + b'"}\n')
@example(b"[" * 60_000 + b"\n")
@example(b"\xff\n")
def test_a_broken_answer_ends_the_process_or_its_sandbox(
    place: Path, said: bytes
) -> None:
    ended = asyncio.run(answer(at(place), said))
    assert isinstance(ended, int) or len(ended) <= 70_000


def test_a_seed_is_an_exit_code(place: Path) -> None:
    assert asyncio.run(answer(at(place), ANSWERS[0])) == 0
    assert "no such file" in str(asyncio.run(answer(at(place), ANSWERS[1])))
