"""The one place that turns any failure into data."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from aideator.domain.errors import AideatorError

log = structlog.get_logger(__name__)

PAUSE_SECONDS = 1.0
"""Wait after a failure that could not be recorded. What is still pending then is taken
up again at once: on a full disk, hundreds of times a second."""


async def run_or_record_failure(
    step: Awaitable[None], *recorders: Callable[[Exception], Awaitable[None]]
) -> None:
    """Await `step`; record its failure with the first recorder that does not fail.

    A bug ends one variation, run or terminal, never the server. A failure that cannot
    be recorded is logged, and the next start takes the work up again.
    """
    try:
        await step
    except Exception as error:
        if not recorders or not isinstance(error, AideatorError):
            log.exception("bug or outage", error=repr(error))
        if recorders:
            await run_or_record_failure(recorders[0](error), *recorders[1:])
        else:
            await asyncio.sleep(PAUSE_SECONDS)
