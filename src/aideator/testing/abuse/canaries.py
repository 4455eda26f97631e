"""Canaries: real things on the host that no sandbox may find."""

import asyncio
import ctypes
import fcntl
import os
import secrets
from collections.abc import AsyncGenerator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aideator.sandbox.base import sandbox_uid

SECRET_NAME = "AIDEATOR_CANARY_SECRET"
"""Variable in the launcher's environment that must not be visible inside."""

_KEY_TEXT = (
    "-----BEGIN OPENSSH PRIVATE KEY-----\n"
    "not a real one\n"
    "-----END OPENSSH PRIVATE KEY-----\n"
)
_IPC_CREATE, _IPC_REMOVE = 0o1000, 0


@dataclass(frozen=True)
class Canaries:
    """The canaries of one check."""

    facts: dict[str, Any]
    """Facts for the probes: where to look, never what is there."""

    async def prove_alive(self) -> None:
        """Reach every canary from the host.

        Raises:
            AssertionError: if one is gone, because failing to reach it would then prove
                nothing.
        """
        facts = self.facts
        dialled = (
            await asyncio.open_connection("127.0.0.1", facts["tcp_port"]),
            await asyncio.open_unix_connection(facts["unix_socket"]),
            await asyncio.open_unix_connection("\0" + facts["abstract_socket"]),
        )
        greetings = [await reader.read() for reader, _ in dialled]
        for _, writer in dialled:
            writer.close()
        assert greetings == [facts["greeting"].encode()] * 3
        self._prove_present()

    def _prove_present(self) -> None:
        facts = self.facts
        assert Path(facts["ssh_key"]).read_text() == _KEY_TEXT
        assert (Path(facts["other_repository"]) / facts["cwd_marker"]).exists()
        assert (
            facts["process_marker"]
            in Path(f"/proc/{facts['process']}/cmdline").read_text()
        )
        assert SECRET_NAME in os.environ
        assert ctypes.CDLL(None).shmget(ctypes.c_int(facts["segment_key"]), 0, 0) != -1


@asynccontextmanager
async def canaries(directory: Path) -> AsyncGenerator[Canaries]:
    """Set up the canaries; they are removed when the context ends.

    Args:
        directory: An empty directory on the host that every user may traverse. Its
            content is readable for all, so that only the sandbox protects it.
    """
    token = secrets.token_hex(8)
    greeting = f"canary {token}"
    key, other = _plant(directory, f"marker-{token}")

    async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(greeting.encode())
        writer.close()

    async with AsyncExitStack() as stack:
        tcp = await stack.enter_async_context(
            await asyncio.start_server(greet, "127.0.0.1", 0)
        )
        await stack.enter_async_context(
            await asyncio.start_unix_server(greet, directory / "socket")
        )
        (directory / "socket").chmod(0o666)
        await stack.enter_async_context(
            await asyncio.start_unix_server(greet, f"\0aideator-{token}")
        )
        stack.enter_context(_secret_in_the_environment(token))
        stack.enter_context(_inheritable_descriptor(key))
        process = await stack.enter_async_context(
            _process(f"aideator-canary-{token}", other)
        )
        yield Canaries(
            {
                "ssh_key": str(key),
                "other_repository": str(other),
                "cwd_marker": f"marker-{token}",
                "host_path": str(directory.parent),
                "secret_name": SECRET_NAME,
                "process": process,
                "process_marker": f"aideator-canary-{token}",
                "segment_key": stack.enter_context(_segment()),
                "machine_id": _machine_id(),
                "greeting": greeting,
                "tcp_port": tcp.sockets[0].getsockname()[1],
                "unix_socket": str(directory / "socket"),
                "abstract_socket": f"aideator-{token}",
            }
        )


def _machine_id() -> str:
    file = Path("/etc/machine-id")
    return file.read_text() if file.exists() else ""


def _plant(directory: Path, marker: str) -> tuple[Path, Path]:
    """Create an ssh key and a repository, readable for all users."""
    key, other = directory / "home/.ssh/id_ed25519", directory / "other-repository"
    for folder in (key.parent, other):
        folder.mkdir(parents=True)
    key.write_text(_KEY_TEXT)
    (other / marker).touch()
    for path in (directory, *directory.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    return key, other


@contextmanager
def _secret_in_the_environment(value: str) -> Iterator[None]:
    os.environ[SECRET_NAME] = value
    try:
        yield
    finally:
        del os.environ[SECRET_NAME]


@contextmanager
def _inheritable_descriptor(file: Path) -> Iterator[None]:
    """Open a file that a careless launcher would let its children inherit."""
    descriptor = os.open(file, os.O_RDONLY)
    fcntl.fcntl(descriptor, fcntl.F_SETFD, 0)
    try:
        yield
    finally:
        os.close(descriptor)


@contextmanager
def _segment() -> Iterator[int]:
    """Create a System V shared memory segment for all users; yield its key."""
    libc, key = ctypes.CDLL(None, use_errno=True), secrets.randbits(30) | 1
    segment = libc.shmget(ctypes.c_int(key), 4096, _IPC_CREATE | 0o666)
    if segment == -1:
        raise OSError(ctypes.get_errno(), "no System V shared memory here")
    try:
        yield key
    finally:
        libc.shmctl(segment, _IPC_REMOVE, None)


@asynccontextmanager
async def _process(name: str, cwd: Path) -> AsyncGenerator[int]:
    """Start a process of the sandboxes' uid, so that no other uid protects it."""
    uid = sandbox_uid()
    process = await asyncio.create_subprocess_exec(
        name, "86400", executable="/bin/sleep", cwd=cwd, env={}, user=uid, group=uid
    )
    try:
        yield process.pid
    finally:
        process.kill()
        await process.wait()
