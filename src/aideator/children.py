"""Child processes that are started without copying this process.

uvloop starts a child by a plain fork: the kernel copies this process's page tables
while the event loop is blocked, 15 ms in a server of 150 MB. `subprocess.Popen` uses
vfork, half a millisecond at any size. So Popen starts the child, and the event loop
serves only its pipes and its exit.
"""

import asyncio
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import IO

PIPE, DEVNULL = subprocess.PIPE, subprocess.DEVNULL


class Child:
    """A child process, the leader of its own process group. Made by `start_child`.

    Attributes:
        pid: Its process id, and that of its group.
        stdin: Its standard input, if that is a pipe.
        stdout: Its standard output, if that is a pipe.
        stderr: Its standard error, if that is a pipe.
    """

    stdin: asyncio.StreamWriter
    stdout: asyncio.StreamReader
    stderr: asyncio.StreamReader

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.pid = process.pid
        self._process = process
        self._ended = asyncio.Event()
        self._unread = list[asyncio.ReadTransport]()
        self._loop = asyncio.get_running_loop()
        self._pidfd = os.pidfd_open(process.pid)
        self._loop.add_reader(self._pidfd, self._reap)

    @property
    def returncode(self) -> int | None:
        """The exit code, -n for signal n as in `subprocess`; None while it runs."""
        return self._process.returncode

    async def wait(self) -> int:
        """Wait for the end and return the exit code."""
        await self._ended.wait()
        return self._process.returncode

    def kill_group(self) -> None:
        """Kill its process group; do nothing if it has ended."""
        if self.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)

    def close_pipes(self) -> None:
        """Close the pipes from it, for who has stopped to read them.

        A pipe that is read to its end closes by itself.
        """
        for pipe in self._unread:
            pipe.close()

    async def open_reader(self, pipe: IO[bytes]) -> asyncio.StreamReader:
        """Return a reader of a pipe from it."""
        reader = asyncio.StreamReader()
        transport, _ = await self._loop.connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), pipe
        )
        self._unread.append(transport)
        return reader

    def _reap(self) -> None:
        self._loop.remove_reader(self._pidfd)
        os.close(self._pidfd)
        self._process.wait()
        self._ended.set()


async def start_child(
    argv: Sequence[str],
    *,
    cwd: Path | str,
    env: Mapping[str, str],
    streams: tuple[int, int, int] = (DEVNULL, DEVNULL, DEVNULL),
    pass_fds: Sequence[int] = (),
) -> Child:
    """Start a program in a session of its own.

    Args:
        argv: The program and its arguments.
        cwd: Its working directory.
        env: Its whole environment. A program without a slash is looked up in its PATH.
        streams: Standard input, output and error: each `DEVNULL`, `PIPE`, or a
            descriptor.
        pass_fds: Further descriptors that it inherits.

    Returns:
        The running child.

    Raises:
        OSError: if it cannot be started.
    """
    stdin, stdout, stderr = streams
    # Half a millisecond: a thread would take no less.
    process = subprocess.Popen(  # noqa: ASYNC220
        argv,
        cwd=cwd,
        env=env,
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        pass_fds=pass_fds,
        start_new_session=True,
    )
    try:
        child = Child(process)
    except OSError:
        process.kill()
        process.wait()
        raise
    pipes = [pipe for pipe in (process.stderr, process.stdout, process.stdin) if pipe]
    async with AsyncExitStack() as undo:
        # The loop closes those that it has taken over.
        undo.callback(lambda: [pipe.close() for pipe in pipes])
        undo.push_async_callback(child.wait)
        undo.callback(child.kill_group)
        if process.stdin:
            child.stdin = await _writer(pipes.pop())
        if process.stdout:
            child.stdout = await child.open_reader(pipes.pop())
        if process.stderr:
            child.stderr = await child.open_reader(pipes.pop())
        undo.pop_all()
    return child


async def _writer(pipe: IO[bytes]) -> asyncio.StreamWriter:
    loop, reader = asyncio.get_running_loop(), asyncio.StreamReader()
    transport, protocol = await loop.connect_write_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), pipe
    )
    return asyncio.StreamWriter(transport, protocol, None, loop)
