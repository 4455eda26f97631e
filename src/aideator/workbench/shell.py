"""`aideator shell`: a terminal in a variation's sandbox, or a command's output.

Output of a sandbox may attack the user's terminal: `screen.py` filters it.
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

from aideator.cli.connect import Client, Door
from aideator.cli.reading import best_of
from aideator.domain.errors import (
    AideatorError,
    Conflict,
    InvalidInput,
    TooManyRequests,
)
from aideator.sandbox.base import Size
from aideator.workbench.client import RemoteTerminal, open_workbench
from aideator.workbench.screen import Screen
from aideator.workbench.terminal import Ended, LiveTerminal

Attached = LiveTerminal | RemoteTerminal
LEAVE = "\x1d"
"""Ctrl-], as with telnet: Ctrl-C belongs to the other side."""
_UNREAD_SECONDS = 0.1
_BEFORE_PIPED = (
    "stty -onlcr 2> /dev/null; export TERM=dumb PAGER=cat GIT_PAGER=cat; "
    "exec < /dev/null; "
)
"""For piped output: lines end as in files, no colours, nothing waits for a key."""


async def open_shell(
    door: Door, run_id: str, number: int | None, command: Sequence[str]
) -> int:
    """Open a terminal, connect it to the user's, and return its exit code.

    Args:
        door: The command's context.
        run_id: The run's id, or a part of it.
        number: The variation; None for the best one.
        command: What to run; a shell when empty.

    Raises:
        InvalidInput: if a shell is requested without a terminal.
    """
    line = command[0] if len(command) == 1 else shlex.join(command)
    attended = sys.stdin.isatty() and sys.stdout.isatty()
    if not attended and not command:
        raise InvalidInput(
            "a shell needs a terminal",
            hint="give it a command: aideator shell RUN -- COMMAND",
        )
    async with door.connect(work=True) as app:
        run, number = await _chosen(app, run_id, number)
        wanted = (line or None) if attended else _BEFORE_PIPED + line
        async with _opened(app, run, number, wanted) as terminal:
            if not attended:
                return await _print(terminal, Screen(plain=True))
            sys.stderr.write("(Ctrl-] leaves)\r\n")
            with _raw(sys.stdin.fileno()):
                return await _attend(terminal)


async def _chosen(app: Client, run_id: str, number: int | None) -> tuple[str, int]:
    run = await app.get(await app.resolve(run_id))
    only = 1 if len(run.variations) == 1 else None
    return run.id, number or only or await best_of(app, run.id)


@asynccontextmanager
async def _opened(
    app: Client, run_id: str, number: int, command: str | None
) -> AsyncIterator[Attached]:
    workbench = open_workbench(app)
    details = await workbench.open_terminal(run_id, number, _size(), command)
    try:
        yield workbench.terminal(details.id)
    finally:
        with suppress(AideatorError):
            await workbench.close_terminal(details.id)


async def _attend(terminal: Attached) -> int:
    """Forward keys and output until the user leaves or the terminal ends."""
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
        _show(screen.restore())
    return 128 + signal.SIGHUP if printing.cancelled() else printing.result()


async def _print(terminal: Attached, screen: Screen) -> int:
    """Show the output, and return the exit code."""
    async with aclosing(terminal.follow()) as output:
        async for each in output:
            if not isinstance(each, Ended):
                _show(screen.feed(each.data))
            elif each.exit_code is not None:
                return each.exit_code
            else:
                raise Conflict(f"the terminal was lost: {each.reason}")
    raise Conflict("the terminal was lost: the server stops")


async def _type(terminal: Attached) -> None:
    """Send what the user types, until the user leaves."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    with _keys(sys.stdin.fileno()) as typed:
        while data := await typed.get():
            keys, leaves, _ = decoder.decode(data).partition(LEAVE)
            await _send(terminal, keys)
            if leaves:
                return


async def _send(terminal: Attached, keys: str) -> None:
    while keys:
        try:
            return await terminal.type(keys)
        except Conflict:  # it has just ended: `_print` reports how
            return None
        except TooManyRequests:  # no process reads what was typed before
            await asyncio.sleep(_UNREAD_SECONDS)
    return None


@contextmanager
def _keys(descriptor: int) -> Iterator[asyncio.Queue[bytes]]:
    loop, typed = asyncio.get_running_loop(), asyncio.Queue[bytes]()

    def read() -> None:
        try:
            data = os.read(descriptor, 4096)
        except OSError:  # the terminal is gone
            data = b""
        typed.put_nowait(data)
        if not data:
            loop.remove_reader(descriptor)

    loop.add_reader(descriptor, read)
    try:
        yield typed
    finally:
        loop.remove_reader(descriptor)


async def _resize(terminal: Attached, resized: asyncio.Event) -> None:
    while await resized.wait():
        resized.clear()
        with suppress(Conflict):
            await terminal.resize(_size())


@contextmanager
def _raw(descriptor: int) -> Iterator[None]:
    """Receive every key at once (raw mode), until the end of the block."""
    before = termios.tcgetattr(descriptor)
    tty.setraw(descriptor)
    try:
        yield
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


def _size() -> Size:
    try:
        columns, rows = os.get_terminal_size(sys.stdout.fileno())
    except OSError:  # it is no terminal
        columns, rows = 80, 24
    return Size(min(max(rows, 1), 1000), min(max(columns, 1), 1000))


def _show(text: str) -> None:
    sys.stdout.buffer.write(text.encode(errors="replace"))
    sys.stdout.buffer.flush()
