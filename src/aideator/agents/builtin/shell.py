"""Run a command for the model and report its output while it runs.

The standard library's `communicate` does not fit: output must be reported while it
comes and be bounded in memory, and a background process that keeps the pipe open must
not keep the tool call open.
"""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

HEAD_BYTES = 10_000
"""Bytes of a command's output that are kept from its beginning."""
TAIL_BYTES = 20_000
"""Bytes that are kept from its end."""
LIVE_BYTES = 4_000
"""Bytes from its end that a live report shows."""
LIVE_INTERVAL = 0.2
"""Seconds between two live reports of one command."""
DRAIN_SECONDS = 0.3
"""Seconds that output may still come after the command itself has ended."""


class Output:
    """A command's output: its beginning and its end, without the middle."""

    def __init__(self) -> None:
        self._head = bytearray()
        self._tail = bytearray()
        self._dropped = 0

    def add(self, data: bytes) -> None:
        """Append output."""
        room = HEAD_BYTES - len(self._head)
        self._head += data[:room]
        self._tail += data[room:]
        excess = len(self._tail) - TAIL_BYTES
        if excess > 0:
            del self._tail[:excess]
            self._dropped += excess

    def text(self) -> str:
        """Return what was kept, with a note where something was dropped."""
        gap = (
            f"\n[… {self._dropped} bytes left out …]\n".encode()
            if self._dropped
            else b""
        )
        return (self._head + gap + self._tail).decode(errors="replace")

    def live(self) -> str:
        """Return the last few lines, for a live report."""
        return (self._head + self._tail)[-LIVE_BYTES:].decode(errors="replace")


def clean_environment() -> dict[str, str]:
    """Return the environment of a command: ours without the lease and our settings."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("ANTHROPIC_", "AIDEATOR_"))
    }


async def run(
    argv: Sequence[str],
    *,
    cwd: Path,
    timeout: float,
    show: Callable[[str], None],
) -> tuple[str, int | None]:
    """Run a command to its end, or kill it with everything it started.

    Args:
        argv: The program and its arguments.
        cwd: Where it runs.
        timeout: Seconds until its process group is killed.
        show: Called with the latest output, at most once every `LIVE_INTERVAL`.

    Returns:
        The output and the exit code, which is None when the time was up and -n when
        signal n ended the command.

    Raises:
        OSError: if the program cannot be started.
    """
    output = Output()
    async with _started(argv, cwd) as (process, stream), asyncio.TaskGroup() as tasks:
        reader = tasks.create_task(_read(stream, output))
        watcher = tasks.create_task(_report(output, show))
        try:
            async with asyncio.timeout(timeout):
                await process.wait()
        except TimeoutError:
            _kill_group(process)
            await process.wait()
            code = None
        else:
            code = process.returncode
        await asyncio.wait([reader], timeout=DRAIN_SECONDS)
        reader.cancel()
        watcher.cancel()
    return output.text(), code


@asynccontextmanager
async def _started(
    argv: Sequence[str],
    cwd: Path,
) -> AsyncIterator[tuple[asyncio.subprocess.Process, asyncio.StreamReader]]:
    # A pipe of our own: with asyncio's, `wait` would wait until every process that has
    # inherited it has closed it.
    readable, writable = os.pipe()
    stream = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    transport, _ = await loop.connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(stream),
        os.fdopen(readable, "rb", buffering=0),
    )
    try:
        try:
            process = await asyncio.create_subprocess_exec(
                *argv,
                cwd=cwd,
                env=clean_environment(),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=writable,
                stderr=writable,
                start_new_session=True,
            )
        finally:
            os.close(writable)
        try:
            yield process, stream
        finally:
            if process.returncode is None:
                _kill_group(process)
                await process.wait()
    finally:
        transport.close()


def _kill_group(process: asyncio.subprocess.Process) -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return


async def _read(stream: asyncio.StreamReader, output: Output) -> None:
    while data := await stream.read(65_536):
        output.add(data)


async def _report(output: Output, show: Callable[[str], None]) -> None:
    shown = ""
    while True:
        await asyncio.sleep(LIVE_INTERVAL)
        live = output.live()
        if live != shown:
            show(live)
            shown = live
