"""Background tasks of the application, cancelled when it closes."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

Start = Callable[[Coroutine[Any, Any, None]], None]
"""Run a coroutine until it ends, or until the application closes. It must not raise."""


@asynccontextmanager
async def open_background() -> AsyncIterator[Start]:
    """Yield a function that starts background tasks; cancel those that remain."""
    group = asyncio.TaskGroup()
    await group.__aenter__()
    tasks = set[asyncio.Task[None]]()

    def start(work: Coroutine[Any, Any, None]) -> None:
        task = group.create_task(work)
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    try:
        yield start
    finally:
        for task in tasks:
            task.cancel()
        # The exception of the block is the caller's and must not be wrapped in an
        # ExceptionGroup, so the group does not see it.
        await group.__aexit__(None, None, None)
