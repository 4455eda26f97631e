"""`aideator shell`: show a sandbox's terminal in the user's, or pipe its output.

What comes out of a sandbox may attack the user's terminal: `screen.py` filters it.
"""

import asyncio
import codecs
import os
import shlex
import signal
import sys
import termios
import tty
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import aclosing, asynccontextmanager, contextmanager, suppress
from typing import TYPE_CHECKING

from aideator.cli.command import CommandContext
from aideator.cli.parsing import default_variation
from aideator.domain.errors import (
    AideatorError,
    Conflict,
    InvalidInput,
    TooManyRequests,
)
from aideator.sandbox.base import Size
from aideator.workbench.client import RemoteTerminal, RemoteWorkbench
from aideator.workbench.screen import Screen
from aideator.workbench.terminal import Ended

if TYPE_CHECKING:
    from aideator.client.remote import AsyncClient

LEAVE = "\x1d"
"""Ctrl-], as in telnet: programs in the sandbox have Ctrl-C for themselves."""
_FULL_SECONDS = 0.1
"""Pause before typing again when nothing reads what was typed before."""
_PIPED_PRELUDE = (
    "stty -onlcr 2> /dev/null; export TERM=dumb PAGER=cat GIT_PAGER=cat; "
    "exec < /dev/null; "
)
"""Where no person types or looks: lines end as in files, there are no colours, and
nothing waits for a key."""
_MAX_SIZE = 1000
"""Rows and columns that a sandbox's terminal may have."""


async def open_shell(
    context: CommandContext, run_id: str, number: int | None, command: Sequence[str]
) -> int:
    """Open a terminal, and stay in it until it ends.

    Args:
        context: Where the run is.
        run_id: The run's id, or a part of it.
        number: The variation; the only one, the winner or the recommended one when
            None.
        command: What is executed; a login shell when empty. A single word is a line of
            shell, as with `ssh`.

    Returns:
        The exit code of the shell or command.

    Raises:
        InvalidInput: if a shell is requested where there is no terminal.
    """
    line = command[0] if len(command) == 1 else shlex.join(command)
    is_interactive = sys.stdin.isatty() and sys.stdout.isatty()
    if not is_interactive and not command:
        raise InvalidInput(
            "a shell needs a terminal",
            hint="give it a command: aideator shell RUN -- COMMAND",
        )
    async with context.connect() as client:
        run, number = await _choose(client, run_id, number)
        executed = (line or None) if is_interactive else _PIPED_PRELUDE + line
        async with _opened(client, run, number, executed) as terminal:
            if not is_interactive:
                return await _print(terminal, Screen(plain=True))
            sys.stderr.write("(Ctrl-] leaves)\r\n")
            with _raw_mode(sys.stdin.fileno()):
                return await _attach(terminal)


async def _choose(
    client: "AsyncClient", run_id: str, number: int | None
) -> tuple[str, int]:
    run = await client.get(await client.resolve(run_id))
    only = 1 if len(run.variations) == 1 else None
    return run.id, number or only or await default_variation(client, run.id)


@asynccontextmanager
async def _opened(
    client: "AsyncClient", run_id: str, number: int, command: str | None
) -> AsyncIterator[RemoteTerminal]:
    workbench = RemoteWorkbench(client)
    opened = await workbench.open_terminal(run_id, number, _size(), command)
    try:
        yield workbench.terminal(opened.id)
    finally:
        with suppress(AideatorError):
            await workbench.close_terminal(opened.id)


async def _attach(terminal: RemoteTerminal) -> int:
    """Pass keys to the terminal and its output to the screen, until one side ends."""
    loop, resized, screen = asyncio.get_running_loop(), asyncio.Event(), Screen()
    loop.add_signal_handler(signal.SIGWINCH, resized.set)
    try:
        async with asyncio.TaskGroup() as tasks:
            typing = tasks.create_task(_type(terminal))
            resizing = tasks.create_task(_resize(terminal, resized))
            printing = tasks.create_task(_print(terminal, screen))
            await asyncio.wait((typing, printing), return_when=asyncio.FIRST_COMPLETED)
            for task in (typing, resizing, printing):
                task.cancel()
    finally:
        loop.remove_signal_handler(signal.SIGWINCH)
        _write(screen.restore())
    # The user has left before the shell ended: the shell is hung up.
    return 128 + signal.SIGHUP if printing.cancelled() else printing.result()


async def _print(terminal: RemoteTerminal, screen: Screen) -> int:
    """Write what the terminal prints, filtered, and return its exit code."""
    async with aclosing(terminal.follow()) as output:
        async for each in output:
            if not isinstance(each, Ended):
                _write(screen.feed(each.data))
            elif each.exit_code is not None:
                return each.exit_code
            else:
                raise Conflict(f"the terminal was lost: {each.reason}")
    raise Conflict("the terminal was lost: the server stops")


async def _type(terminal: RemoteTerminal) -> None:
    """Send what is typed, until the user leaves."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    with _typed_bytes(sys.stdin.fileno()) as typed:
        while data := await typed.get():
            keys, leaves, _ = decoder.decode(data).partition(LEAVE)
            await _send(terminal, keys)
            if leaves:
                return


async def _send(terminal: RemoteTerminal, keys: str) -> None:
    while keys:
        try:
            return await terminal.type(keys)
        except Conflict:  # it has just ended; `_print` reports how
            return None
        except TooManyRequests:  # nothing has read what was typed before
            await asyncio.sleep(_FULL_SECONDS)
    return None


@contextmanager
def _typed_bytes(descriptor: int) -> Iterator[asyncio.Queue[bytes]]:
    """Read a terminal into a queue. Empty bytes mean that the terminal is gone."""
    loop, typed = asyncio.get_running_loop(), asyncio.Queue[bytes]()

    def read() -> None:
        try:
            data = os.read(descriptor, 4096)
        except OSError:
            data = b""
        typed.put_nowait(data)
        if not data:
            loop.remove_reader(descriptor)

    loop.add_reader(descriptor, read)
    try:
        yield typed
    finally:
        loop.remove_reader(descriptor)


async def _resize(terminal: RemoteTerminal, resized: asyncio.Event) -> None:
    while await resized.wait():
        resized.clear()
        with suppress(Conflict):
            await terminal.resize(_size())


@contextmanager
def _raw_mode(descriptor: int) -> Iterator[None]:
    """Receive each key as it is typed, and restore the terminal however this ends."""
    before = termios.tcgetattr(descriptor)
    tty.setraw(descriptor)
    try:
        yield
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


def _size() -> Size:
    try:
        columns, rows = os.get_terminal_size(sys.stdout.fileno())
    except OSError:  # standard output is not a terminal
        columns, rows = 80, 24
    return Size(min(max(rows, 1), _MAX_SIZE), min(max(columns, 1), _MAX_SIZE))


def _write(text: str) -> None:
    sys.stdout.buffer.write(text.encode(errors="replace"))
    sys.stdout.buffer.flush()
