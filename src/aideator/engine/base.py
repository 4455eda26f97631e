"""The port: what makes runs happen."""

from typing import Protocol


class Engine(Protocol):
    """Starts, stops and takes up runs.

    Only ids cross it, so that an engine may live in another process.
    """

    async def start(self, run_id: str) -> None:
        """Have the run's queued variations carried out.

        Starting a run twice is no error.
        """
        ...

    async def cancel(self, run_id: str, variation_id: int | None = None) -> None:
        """Stop a run, or one of its variations.

        Cancelling what has ended is no error.
        """
        ...

    async def close(self) -> None:
        """Stop working and hand unfinished variations back.

        Returns within a bounded time.
        """
        ...
