"""Run a command to its exit code: what signals, broken pipes and expected errors become.

The first Ctrl-C (or SIGTERM, or a closed terminal) cancels the command, which then
stops its agents in good order; the second one does not wait for that.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import typer

from aideator.cli.ui.escape import plain
from aideator.domain.errors import AideatorError, InvalidInput
from aideator.settings import SettingsError

Work = Coroutine[Any, Any, int | None]

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class _Stopped(Exception):
    """A signal ended the command."""

    def __init__(self, number: int) -> None:
        self.code = 128 + number


def run(work: Callable[[], Work]) -> None:
    """Run a command's coroutine and exit."""
    guard(lambda: asyncio.run(_until_a_signal(work)))


def guard(work: Callable[[], int | None]) -> None:
    """Exit as a command does: errors say what happened and what to do next.

    Raises:
        Exit: always, unless there is a bug.
    """
    try:
        code = work()
        sys.stdout.flush()
    except KeyboardInterrupt:
        raise typer.Exit(128 + signal.SIGINT) from None
    except _Stopped as stopped:
        raise typer.Exit(stopped.code) from None
    except (AideatorError, BrokenPipeError, BaseExceptionGroup) as error:
        raise typer.Exit(_explain(error)) from None
    raise typer.Exit(code or 0)


async def _until_a_signal(work: Callable[[], Work]) -> int | None:
    loop, task, told = asyncio.get_running_loop(), asyncio.current_task(), list[int]()

    def stop(number: int) -> None:
        told.append(number)
        if len(told) > 1 or task is None:
            raise KeyboardInterrupt
        task.cancel()

    for number in _SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:  # as `nohup` and `&` set it
            loop.add_signal_handler(number, stop, number)
    try:
        return await work()
    except asyncio.CancelledError:
        if len(told) == 1:
            raise _Stopped(told[0]) from None
        # told twice, the loop has ended already: what is raised now, it would log
        raise


def _explain(error: BaseException) -> int:
    """Tell a person what went wrong; the exit code that says so to a program."""
    causes = list(_leaves(error))
    if any(isinstance(cause, BrokenPipeError) for cause in causes):
        os.dup2(
            os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno()
        )  # or Python complains when it flushes at exit
        return 128 + signal.SIGPIPE
    expected = [cause for cause in causes if isinstance(cause, AideatorError)]
    if len(expected) < len(causes):
        raise error
    for cause in expected:
        typer.secho(f"error: {plain(str(cause))}", fg="red", err=True)
        if cause.hint:
            typer.secho(f"  next: {plain(cause.hint)}", err=True)
    return 2 if isinstance(expected[0], InvalidInput | SettingsError) else 1


def _leaves(error: BaseException) -> Iterator[BaseException]:
    """The errors in a group: what is opened around a command owns tasks, and so groups what goes wrong inside."""
    if isinstance(error, BaseExceptionGroup):
        for part in error.exceptions:
            yield from _leaves(part)
    else:
        yield error
