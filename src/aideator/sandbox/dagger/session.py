"""A running Dagger CLI: start it, keep the end of its output, end it.

One process is one session with the engine, and ends with it. SIGINT is the only signal
that the CLI handles; the engine ends a session's containers when its client has gone.
The CLI gets a SIGINT when this process dies, too.
"""

import asyncio
import os
import shutil
import signal
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from aideator.children import DEVNULL, PIPE, Child, start_child
from aideator.domain.errors import SandboxUnavailable

STDERR_KEPT, STDOUT_KEPT = 65_536, 2**20
"""Bytes that are kept of the CLI's output."""
INTERRUPTED = 2
"""The CLI's exit code after SIGINT."""
INTERRUPT_SECONDS = 15.0
"""Time that the CLI has to end its session after SIGINT."""


@dataclass
class OutputTail:
    """Keeps the last bytes of an output."""

    limit: int
    on_line: Callable[[str], None] | None = None
    """Called with each line as it arrives."""

    def __post_init__(self) -> None:
        self._kept = bytearray()
        self._line = b""

    async def read(self, stream: asyncio.StreamReader) -> None:
        """Read the stream to its end."""
        with suppress(ConnectionError):
            while chunk := await stream.read(65_536):
                self._kept += chunk
                del self._kept[: -self.limit]
                self._pass_lines(chunk)

    def _pass_lines(self, chunk: bytes) -> None:
        if self.on_line is None:
            return
        *lines, self._line = (self._line + chunk).split(b"\n")
        self._line = self._line[-self.limit :]
        for line in lines:
            self.on_line(line.decode(errors="replace"))

    def text(self) -> str:
        """Return what was kept."""
        return self._kept.decode(errors="replace")


class DaggerSession:
    """A running CLI. Made by `begin`; its owner has to run `listen`, and to end it."""

    def __init__(self, child: Child, on_line: Callable[[str], None] | None) -> None:
        self._child = child
        self._stdout = OutputTail(STDOUT_KEPT)
        self._stderr = OutputTail(STDERR_KEPT, on_line)
        self._ended = asyncio.Event()

    async def listen(self) -> None:
        """Read its output until it has ended."""
        try:
            async with asyncio.TaskGroup() as streams:
                streams.create_task(self._stdout.read(self._child.stdout))
                streams.create_task(self._stderr.read(self._child.stderr))
            await self._child.wait()
        finally:
            self._ended.set()

    async def wait(self, seconds: float | None = None) -> bool:
        """Return whether it ended in that time, with all its output read."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._ended.wait()
            return True
        return False

    async def end(self) -> None:
        """Interrupt it so that it ends its session, then kill it.

        `listen` must be running.
        """
        if self._child.returncode is None:
            with suppress(ProcessLookupError):
                os.kill(self._child.pid, signal.SIGINT)
            await self.wait(INTERRUPT_SECONDS)
        self._child.kill_group()
        await self._child.wait()

    @property
    def code(self) -> int | None:
        """The exit code; None while it runs."""
        return self._child.returncode

    @property
    def stdout(self) -> str:
        """The end of its standard output."""
        return self._stdout.text()

    @property
    def stderr(self) -> str:
        """The end of its standard error."""
        return self._stderr.text()


async def begin(
    argv: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str],
    on_line: Callable[[str], None] | None = None,
) -> DaggerSession:
    """Start the CLI.

    Args:
        argv: Its command line.
        cwd: Its working directory: one of ours, because it looks for a `.env` there and
            in the directories above.
        env: Its whole environment.
        on_line: Called with each line of its progress.

    Raises:
        SandboxUnavailable: if it cannot be started.
    """
    try:
        child = await start_child(
            [*_interrupted_with_us(), *argv],
            cwd=cwd,
            env=env,
            streams=(DEVNULL, PIPE, PIPE),
        )
    except OSError as error:
        raise SandboxUnavailable(f"{argv[0]} cannot be started: {error}") from error
    return DaggerSession(child, on_line)


def _interrupted_with_us() -> list[str]:
    """Return the prefix that has a command sent SIGINT when this process dies.

    Without it a killed server would leave its containers running. `setpriv` is part of
    util-linux.
    """
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "INT"] if setpriv else []


async def run_cli(
    argv: Sequence[str], *, cwd: Path, env: Mapping[str, str], seconds: float
) -> tuple[int | None, str, str]:
    """Run the CLI to its end.

    Returns:
        Exit code (None if it took longer than `seconds`), standard output, standard
        error.

    Raises:
        SandboxUnavailable: if it cannot be started.
    """
    session = await begin(argv, cwd=cwd, env=env)
    async with asyncio.TaskGroup() as group:
        group.create_task(session.listen())
        try:
            in_time = await session.wait(seconds)
        finally:
            await session.end()
    return (session.code if in_time else None), session.stdout, session.stderr
