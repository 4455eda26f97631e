"""Ask at the terminal whether set-up may reach a host, while the run is shown."""

import asyncio
import contextlib
import os
import sys
import termios
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING

from aideator.client.hosts import answer_host
from aideator.domain.errors import AideatorError
from aideator.domain.hosts import HostAnswer

if TYPE_CHECKING:
    from aideator.cli.ui.reduce import RunView
    from aideator.client.remote import AsyncClient

KEYS = {
    b"o": HostAnswer.ONCE,
    b"r": HostAnswer.REPOSITORY,
    b"a": HostAnswer.ALWAYS,
    b"n": HostAnswer.REFUSE,
}
_POLL_SECONDS = 0.1


@asynccontextmanager
async def answering_hosts(
    view: "RunView", client: "AsyncClient", run_id: str
) -> AsyncIterator[None]:
    """Answer the questions of a run by single keys while the context is open.

    The terminal keeps its line mode but for the time that a question is open.

    Args:
        view: The run as it is shown, with its open questions.
        client: Where the run is.
        run_id: The run.
    """
    async with asyncio.TaskGroup() as group:
        task = group.create_task(_answer_all(view, client, run_id))
        try:
            yield
        finally:
            task.cancel()


async def _answer_all(view: "RunView", client: "AsyncClient", run_id: str) -> None:
    while True:
        await asyncio.sleep(_POLL_SECONDS)
        if view.asked_hosts:
            with _single_keys(), contextlib.suppress(AideatorError):
                await _answer_first(view, client, run_id)


async def _answer_first(view: "RunView", client: "AsyncClient", run_id: str) -> None:
    """Wait for a key, and answer the first question with it."""
    with _pressed() as keys:
        host = next(iter(view.asked_hosts))
        while host in view.asked_hosts:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_POLL_SECONDS):
                    key = await keys.get()
                if answer := KEYS.get(key.lower()):
                    view.asked_hosts.pop(host, None)
                    await answer_host(client, run_id, host, answer)


@contextmanager
def _pressed() -> Iterator["asyncio.Queue[bytes]"]:
    """Yield a queue of the keys that are pressed."""
    keys: asyncio.Queue[bytes] = asyncio.Queue()
    loop, terminal = asyncio.get_running_loop(), sys.stdin.fileno()
    loop.add_reader(terminal, lambda: keys.put_nowait(os.read(terminal, 1)))
    try:
        yield keys
    finally:
        loop.remove_reader(terminal)


@contextmanager
def _single_keys() -> Iterator[None]:
    """Have the terminal hand over each key at once, unseen; Ctrl-C still stops."""
    terminal = sys.stdin.fileno()
    before = termios.tcgetattr(terminal)
    now = termios.tcgetattr(terminal)
    now[3] &= ~(termios.ICANON | termios.ECHO)
    termios.tcsetattr(terminal, termios.TCSADRAIN, now)
    try:
        yield
    finally:
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)
