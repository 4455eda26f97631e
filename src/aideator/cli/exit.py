"""Run a command to its exit code: results, signals, broken pipes and expected errors.

The first Ctrl-C (or SIGTERM, or a closed terminal) cancels the command, which then
stops its agents in an orderly way; the second one does not wait for that.
"""

import os
import signal
import sys
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from enum import IntEnum
from typing import TYPE_CHECKING, Any

import typer

from aideator.cli.ui.escape import escape
from aideator.domain.errors import AideatorError, FieldError, InvalidInput
from aideator.domain.field_errors import IT_IS_MISSING
from aideator.environment import SettingsError

if TYPE_CHECKING:
    import asyncio

    from aideator.domain.run import RunDetails

EXAMPLE = 'aideator run . "Fix the failing date test" -n 3 --budget 2'
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class ExitCode(IntEnum):
    """What the exit code of a command means. A signal adds 128 to its number."""

    RECOMMENDED = 0
    """Of `run` and `watch`; of other commands: success."""
    FAILED = 1
    """The run failed, or the command did."""
    USAGE = 2
    CANNOT_TELL = 3
    CANCELLED = 4


class _StopSignal(Exception):
    """A signal ended the command."""

    def __init__(self, number: int) -> None:
        self.code = 128 + number


def exit_code_of(details: "RunDetails") -> ExitCode:
    """Return the exit code that tells a program how a run ended."""
    from aideator.domain.run import RunStatus

    if details.status is RunStatus.DECIDED or details.recommended is not None:
        return ExitCode.RECOMMENDED
    if details.status is RunStatus.FAILED:
        return ExitCode.FAILED
    if details.status is RunStatus.CANCELLED:
        return ExitCode.CANCELLED
    return ExitCode.CANNOT_TELL


_OPTIONS = {
    "repo_url": "the repository",
    "prompt": "the prompt",
    "ref": "--ref",
    "variations": "--variations",
    "budget.run_usd": "--budget",
    "budget.variation_usd": "--variation-budget",
    "comparison.reruns": "--reruns",
    "allowed_hosts": "--allow-host",
    "agent": "--agent",
    "model": "--model",
    "effort": "--effort",
    "agent_config.model": "--model",
    "agent_config.effort": "--effort",
    "agent_config.max_turns": "--max-turns",
    "agent_config.instructions": "--instructions",
}
"""Field of a submission → what sets it at the command line. A field that only a file
sets keeps its name."""


def run_to_exit(work: Callable[[], Coroutine[Any, Any, int | None]]) -> None:
    """Run a command's coroutine, and exit.

    Raises:
        Exit: with the command's exit code.
    """
    import asyncio

    call_to_exit(lambda: asyncio.run(_until_a_signal(work)))


def call_to_exit(work: Callable[[], int | None]) -> None:
    """Call a command, and exit. Expected errors are printed, with what to do next.

    Raises:
        Exit: with the command's exit code; any unexpected error passes.
    """
    try:
        code = work()
        sys.stdout.flush()
    except KeyboardInterrupt:
        raise typer.Exit(128 + signal.SIGINT) from None
    except _StopSignal as stopped:
        raise typer.Exit(stopped.code) from None
    except (AideatorError, BrokenPipeError, BaseExceptionGroup) as error:
        raise typer.Exit(_report(error)) from None
    raise typer.Exit(code or 0)


class Signals:
    """The signals that a command has received.

    The first one cancels the command's task, the second ends the process.
    """

    def __init__(self) -> None:
        self._received: list[int] = []
        self._task: asyncio.Task[int | None] | None = None

    @property
    def first(self) -> int | None:
        """The signal that cancelled the task; None if none did."""
        return self._received[0] if self._received else None

    @property
    def count(self) -> int:
        """How many were received."""
        return len(self._received)

    def listen(self, task: "asyncio.Task[int | None]") -> None:
        """Cancel a task at the first signal from now on."""
        self._task = task
        loop = task.get_loop()
        for number in _SIGNALS:
            # `nohup` and `&` have the shell ignore signals: leave those ignored.
            if signal.getsignal(number) is not signal.SIG_IGN:
                loop.add_signal_handler(number, self._stop, number)

    def forget(self) -> None:
        """Go on after a signal: the user has decided otherwise."""
        self._received.clear()
        if self._task is not None:
            self._task.uncancel()

    @contextmanager
    def interrupting(self) -> Iterator[None]:
        """Let Ctrl-C raise `KeyboardInterrupt` in the block: it waits for a key."""
        assert self._task is not None
        loop = self._task.get_loop()
        loop.remove_signal_handler(signal.SIGINT)
        # Else the loop would be told of the signal as well, after the block.
        signal.set_wakeup_fd(-1)
        try:
            yield
        finally:
            loop.add_signal_handler(signal.SIGINT, self._stop, signal.SIGINT)

    def _stop(self, number: int) -> None:
        self._received.append(number)
        if len(self._received) > 1 or self._task is None:
            raise KeyboardInterrupt
        self._task.cancel()


signals = Signals()
"""Of this process, which runs one command."""


async def _until_a_signal(
    work: Callable[[], Coroutine[Any, Any, int | None]],
) -> int | None:
    import asyncio

    task = asyncio.current_task()
    assert task is not None
    signals.listen(task)
    try:
        return await work()
    except asyncio.CancelledError:
        if signals.count == 1 and signals.first is not None:
            raise _StopSignal(signals.first) from None
        # After a second signal the loop has ended: it would log any other error.
        raise


def _report(error: BaseException) -> int:
    """Print expected errors, and return the exit code. Raise an unexpected one."""
    causes = list(_leaves(error))
    if any(isinstance(cause, BrokenPipeError) for cause in causes):
        # Otherwise Python complains when it flushes standard output at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    expected = [cause for cause in causes if isinstance(cause, AideatorError)]
    if len(expected) < len(causes):
        raise error
    for cause in expected:
        typer.secho(f"error: {escape(_message(cause))}", fg="red", err=True)
        if hint := cause.hint or _example(cause):
            # Further lines are commands to paste.
            hint = escape(hint).replace("\n", "\n    ")
            typer.secho(f"  next: {hint}", err=True)
    usage = isinstance(expected[0], InvalidInput | SettingsError)
    return ExitCode.USAGE if usage else ExitCode.FAILED


def _example(error: AideatorError) -> str:
    """Return what shows how a command is written, for one whose fields are wrong."""
    if not isinstance(error, InvalidInput) or not error.fields:
        return ""
    name = "".join(sys.argv[1:2])
    return f"aideator {name} --help" if name != "run" else EXAMPLE


def _message(error: AideatorError) -> str:
    """Return an error's message, with the options that set the wrong fields."""
    if not isinstance(error, InvalidInput) or not error.fields:
        return str(error)
    return "; ".join(map(_field_words, error.fields))


def _field_words(wrong: FieldError) -> str:
    name = _OPTIONS.get(wrong.field, wrong.field)
    if wrong.message == IT_IS_MISSING:
        return f"{name} is missing"
    return f"{name}: {wrong.message}"


def _leaves(error: BaseException) -> Iterator[BaseException]:
    """Yield the errors in a group.

    What a command opens owns tasks, and so groups the errors that pass through it.
    """
    if isinstance(error, BaseExceptionGroup):
        for part in error.exceptions:
            yield from _leaves(part)
    else:
        yield error
