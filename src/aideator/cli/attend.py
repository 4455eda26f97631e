"""Follow a run to its end; at Ctrl-C ask whether to stop it or to leave it working."""

import asyncio
import signal
import sys
from contextlib import suppress
from enum import Enum, auto
from typing import TYPE_CHECKING

from aideator.cli.exit import exit_code_of, signals
from aideator.cli.follow import watch
from aideator.cli.ui.summary import print_outcome

if TYPE_CHECKING:
    from aideator.cli.command import CommandContext
    from aideator.client.remote import AsyncClient


class _Choice(Enum):
    STOP = auto()
    LEAVE = auto()
    WATCH = auto()


async def attend(
    context: "CommandContext",
    client: "AsyncClient",
    run_id: str,
    *,
    yes: bool = False,
    after: int = 0,
) -> int:
    """Show a run until its end, then its outcome.

    A reader of the output that goes away stops the run. So do Ctrl-C and the like
    without a terminal; with one, Ctrl-C asks, and a terminal that closes leaves it
    working.

    Args:
        context: How it is shown.
        client: Where the run is.
        run_id: The run.
        yes: Whether Ctrl-C stops it without a question.
        after: The seq of the last event that is known already, and not printed.

    Returns:
        The exit code that tells the outcome.
    """
    while True:
        try:
            details = await watch(context, client, run_id, after=after)
        except (asyncio.CancelledError, OSError) as error:
            choice = _choose(context, error, yes=yes)
            if choice is _Choice.STOP:
                await cancel(client, run_id)
            elif choice is _Choice.WATCH:
                signals.forget()
                continue
            else:
                _say(f"it goes on; to come back: aideator watch {run_id[-8:]}\n")
            raise
        if not context.json:
            print_outcome(context.console, details)
        return exit_code_of(details)


def _choose(context: "CommandContext", error: BaseException, *, yes: bool) -> _Choice:
    lives_on = context.has_terminal or context.server is not None
    if isinstance(error, BrokenPipeError) or not lives_on:
        return _Choice.STOP
    if isinstance(error, OSError) or signals.first == signal.SIGHUP:
        return _Choice.LEAVE  # the terminal is gone
    return _ask() if _can_ask(yes=yes) else _Choice.STOP


def _can_ask(*, yes: bool) -> bool:
    has_person = sys.stdin.isatty() and sys.stderr.isatty()
    return has_person and not yes and signals.first == signal.SIGINT


def _ask() -> _Choice:
    """Ask what becomes of the run. Ctrl-C once more stops it."""
    answers = {"s": _Choice.STOP, "l": _Choice.LEAVE, "w": _Choice.WATCH}
    try:
        with signals.interrupting():
            while True:
                _say("\nStop the run [s], leave it working [l], or watch on [w]? ")
                answer = sys.stdin.readline()
                if not answer:
                    return _Choice.LEAVE  # the terminal is gone
                if choice := answers.get(answer.strip().lower()[:1]):
                    return choice
    except KeyboardInterrupt:
        return _Choice.STOP


async def cancel(client: "AsyncClient", run_id: str) -> None:
    """Stop a run. What is said of it may find no reader any more."""
    _say("stopping the agents …\n")
    await client.cancel(run_id)
    _say(f"cancelled; the results so far are kept: aideator show {run_id[-8:]}\n")


def page_of(context: "CommandContext", run_id: str) -> str:
    """Return the address of a run's page; empty where the server is not on TCP."""
    url = context.server or context.local_server().present.url
    return f"{url.rstrip('/')}/runs/{run_id}" if url else ""


def _say(text: str) -> None:
    with suppress(OSError):
        sys.stderr.write(text)
        sys.stderr.flush()
