"""Stops work without tearing the record of its end."""

import asyncio
from collections.abc import Coroutine
from enum import Enum
from typing import Any, TypeVar

from aideator.domain.errors import Fenced

T = TypeVar("T")


class StopReason(Enum):
    """Why work is stopped."""

    REQUEST = "request"
    """A person asked for it: it is recorded as cancelled."""
    SHUTDOWN = "shutdown"
    """The process ends: another one takes the work up."""


class Stopped(Exception):
    """The work was stopped before it had come to an end."""


class StopSwitch:
    """Runs work in a task of its own, which may be stopped at any point.

    The task that awaits `run` is not cancelled, so it can record the end without being
    interrupted, however often the work is stopped.

    Attributes:
        reason: Why the work was stopped, or None. A person's request outweighs a
            shutdown.
    """

    def __init__(self) -> None:
        self.reason: StopReason | None = None
        self._work: asyncio.Task[Any] | None = None

    def stop(self, reason: StopReason) -> None:
        """Stop the work that runs, or would run next. Repeating it changes nothing."""
        if self.reason is None and self._work is not None:
            self._work.cancel()
        if self.reason is not StopReason.REQUEST:
            self.reason = reason

    async def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Return what `work` returns.

        Raises:
            Stopped: if it was stopped, even if it then ended with another error.
            Fenced: if the work found that a newer attempt has taken over.
        """
        if self.reason is not None:
            work.close()
            raise Stopped
        task = asyncio.create_task(work)  # noqa: TID251 - owned here: awaited below
        self._work = task
        try:
            await asyncio.wait([task])
        finally:
            self._work = None
            task.cancel()  # changes nothing unless the caller itself was cancelled
        error = None if task.cancelled() else task.exception()
        if self.reason is not None and (task.cancelled() or error):
            raise error if isinstance(error, Fenced) else Stopped from error
        if task.cancelled():
            raise RuntimeError("the work was cancelled from within")
        return task.result()
