"""The host's end with a real shim as a plain process, and strangers on its socket."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from aideator.domain.errors import SandboxLost
from aideator.domain.isolation import Isolation
from aideator.sandbox import link as link_module
from aideator.sandbox import shim
from aideator.sandbox.link import CONNECTION_LIMIT, HEADER_LIMIT, Link
from tests.conftest import PATIENCE

ISOLATION = Isolation(backend="none", network="all", limits={})


@dataclass
class Pair:
    link: Link
    shim: asyncio.subprocess.Process
    socket: Path

    async def stranger(self, said: bytes) -> bytes:
        """What somebody else on the socket is told, until the link hangs up."""
        reader, writer = await asyncio.open_unix_connection(self.socket)
        writer.write(said)
        try:
            return await asyncio.wait_for(reader.read(), PATIENCE)
        except ConnectionError:
            return b""
        finally:
            writer.close()


@asynccontextmanager
async def connected(home: Path, *, output_bytes: int = 2**20) -> AsyncIterator[Pair]:
    env = {"PATH": os.environ["PATH"]}
    socket = home / "home"
    async with Link(
        socket, isolation=ISOLATION, env=env, output_bytes=output_bytes
    ) as link:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-I", "-S", shim.__file__, str(socket)
        )
        await link.ready()
        yield Pair(link, process, socket)
    await process.wait()


def descriptors() -> set[str]:
    return {path.name for path in Path("/proc/self/fd").iterdir()}


@pytest.mark.parametrize(
    "said",
    [
        b"not json\n",
        b"[]\n",
        b"{}\n",
        b'{"stream": "control", "port": 1}\n',
        b'{"stream": "stdout", "id": "guessed"}\n',
        b'{"stream": "stdout", "id": ["not", "hashable"]}\n',
        b'{"stream": "gateway"}\n',
        b'{"stream": "gateway", "id": "nobody\'s"}\n',
        b"[" * 100_000 + b"\n",
        b"[" * (HEADER_LIMIT - 1) + b"\n",
        b"x" * (HEADER_LIMIT + 1),
        b"\xff\xfe\n",
    ],
)
async def test_a_stranger_is_hung_up_on(said: bytes, home: Path) -> None:
    async with connected(home) as pair:
        assert await pair.stranger(said) == b""
        assert (await pair.link.exec(["echo", "fine"], cwd="/")).stdout == b"fine\n"


async def test_a_stream_that_is_taken_cannot_be_taken_over(home: Path) -> None:
    async with connected(home) as pair:
        process = await pair.link.spawn(["sh", "-c", "read go; echo mine"], cwd="/")
        header = (
            json.dumps({"stream": "stdout", "id": process.identity}).encode()
            + b"\nforged\n"
        )
        assert await pair.stranger(header) == b""
        process.stdin.write(b"go\n")
        assert await process.stdout.read() == b"mine\n"


async def test_no_more_than_so_many_connections_are_held(home: Path) -> None:
    async with connected(home) as pair:
        crowd = [
            await asyncio.open_unix_connection(pair.socket)
            for _ in range(CONNECTION_LIMIT + 20)
        ]
        async with asyncio.timeout(PATIENCE):
            for reader, _ in crowd[CONNECTION_LIMIT:]:
                assert await reader.read() == b""
        for _, writer in crowd:
            writer.close()
            await writer.wait_closed()
        assert (await pair.link.exec(["echo", "fine"], cwd="/")).stdout == b"fine\n"


async def test_a_shim_that_is_gone_ends_every_wait(home: Path) -> None:
    async with connected(home) as pair:
        process = await pair.link.spawn(["sleep", "1000"], cwd="/")
        pair.shim.kill()
        with pytest.raises(SandboxLost):
            await process.wait()
        with pytest.raises(SandboxLost):
            await pair.link.spawn(["true"], cwd="/")
        assert await process.stdout.read() == b""


async def test_a_shim_that_was_stopped_does_not_stop_us(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link_module, "KILL_SECONDS", 0.2)
    monkeypatch.setattr(link_module, "ANSWER_SECONDS", 0.2)
    async with connected(home) as pair:
        pair.shim.send_signal(signal.SIGSTOP)
        try:
            with pytest.raises(SandboxLost, match="did not start"):
                await pair.link.exec(["true"], cwd="/")
        finally:
            pair.shim.send_signal(signal.SIGCONT)


async def test_a_process_whose_shim_was_stopped_is_given_up(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link_module, "KILL_SECONDS", 0.2)
    async with connected(home) as pair:
        stop = f"kill -STOP {pair.shim.pid}; sleep 1000"
        try:
            with pytest.raises(SandboxLost, match="does not answer"):
                await pair.link.exec(["sh", "-c", stop], cwd="/", timeout=0.2)
        finally:
            pair.shim.send_signal(signal.SIGCONT)


async def test_what_cannot_be_started_is_said_and_harms_nobody(home: Path) -> None:
    async with connected(home) as pair:
        result = await pair.link.exec(["sh\0hidden"], cwd="/")
        assert result.exit_code == 126
        assert (await pair.link.exec(["echo", "fine"], cwd="/")).stdout == b"fine\n"


@pytest.mark.parametrize("limit", [1, 4, 100, 1000])
async def test_what_is_kept_of_output_is_its_head_and_its_tail(
    limit: int, home: Path
) -> None:
    async with connected(home, output_bytes=limit) as pair:
        result = await pair.link.exec(["seq", "1", "1000"], cwd="/")
    whole = b"".join(b"%d\n" % number for number in range(1, 1001))
    head, tail = limit // 4, limit - limit // 4
    assert (
        result.stdout
        == whole[:head]
        + b"\n[... %d bytes dropped ...]\n" % (len(whole) - limit)
        + whole[-tail:]
    )
    assert result.truncated


async def test_a_shim_that_is_faster_than_this_process_is_heard(home: Path) -> None:
    socket = home / "home"
    async with Link(socket, isolation=ISOLATION, env={}, output_bytes=1) as link:
        # Without a turn of the event loop in between, as when a busy machine gives this
        # process none.
        dialling = [
            sys.executable,
            "-I",
            "-S",
            "-c",
            "import socket, sys; socket.socket(1).connect(sys.argv[1])",
        ]
        subprocess.run([*dialling, str(socket)], check=True)  # noqa: ASYNC221
        assert not link.is_lost


async def test_the_link_leaves_no_connection_behind(home: Path) -> None:
    before = descriptors()
    async with connected(home) as pair:
        for _ in range(5):
            await pair.link.exec(["true"], cwd="/")
        await pair.link.spawn(["sleep", "1000"], cwd="/")
    await asyncio.sleep(0.05)
    assert descriptors() <= before
