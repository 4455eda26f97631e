"""The port: what carries runs out."""

from typing import Protocol


class Engine(Protocol):
    """Starts, stops and takes up runs.

    Only ids cross it, so that an engine may live in another process. The promises hold
    for every engine; `tests/engine/test_machine.py` checks them:

    - A run whose variations have settled ends with one `complete` event, its last.
    - What was started before a crash is carried out, cancelled or, where the engine was
      opened without `resume`, interrupted; what `start` starts is carried out or
      cancelled.
    - A variation does not work after its cancellation has returned, unless it is
      prompted again.
    """

    @property
    def working(self) -> bool:
        """Whether any run is at work here."""
        ...

    async def start(self, run_id: str) -> None:
        """Carry out the run's queued variations; also those of a run under way.

        Starting a run twice is no error.
        """
        ...

    async def cancel(self, run_id: str, variation_id: int | None = None) -> None:
        """Stop a run or one of its variations, and return when that is recorded.

        Cancelling what has ended, or is being cancelled, is no error.
        """
        ...

    async def close(self) -> None:
        """Stop working and put unfinished variations back into the queue.

        Returns within a bounded time.
        """
        ...
