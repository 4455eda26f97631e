"""Follow a run to its end: live columns on a terminal, lines elsewhere, NDJSON for programs."""

import asyncio
import json
import sys
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from datetime import datetime
from enum import StrEnum

from rich.console import Console, RenderableType
from rich.live import Live

from aideator.app import Batch
from aideator.cli.connect import Client
from aideator.cli.ui.escape import one_line
from aideator.cli.ui.lines import line_of
from aideator.cli.ui.live import comparison, conclusion, limits_line, live
from aideator.cli.ui.reduce import View
from aideator.cli.ui.setup_line import remarks
from aideator.domain.events import Event
from aideator.domain.run import RunDetails, RunStatus

_FRAME = 0.1
"""Seconds between two pictures."""
LONGEST_PAUSE = 5.0
"""Seconds that a replay waits at most between two events."""


class Output(StrEnum):
    """How a run is shown."""

    LIVE = "live"
    LINES = "lines"
    JSON = "json"


class Exit:
    """Exit codes of `run` and `watch`: they tell the outcome."""

    RECOMMENDED = 0
    FAILED = 1
    USAGE = 2
    CANNOT_TELL = 3
    CANCELLED = 4
    INTERRUPTED = 130


def choose_output(console: Console, *, json: bool) -> Output:
    """JSON when asked for, else what the terminal can show."""
    if json:
        return Output.JSON
    return Output.LIVE if console.is_terminal else Output.LINES


async def watch(
    client: Client,
    run_id: str,
    console: Console,
    output: Output,
    *,
    speed: float | None = None,
) -> RunDetails:
    """Show the run until nothing more will happen.

    Args:
        client: Where the run is.
        run_id: The run.
        console: Where it is shown.
        output: How.
        speed: With the pauses that there were between the events, so many times as
            fast; at once when absent.
    """
    view = View()
    batches = (
        client.follow(run_id) if speed is None else paced(client.follow(run_id), speed)
    )
    async with (
        _pictures(view, console, output, replay=speed is not None),
        aclosing(batches),
    ):
        async for batch in batches:
            for entry in batch:
                if output is Output.JSON:
                    sys.stdout.write(entry.data.decode() + "\n")
                    continue
                event = Event.model_validate_json(entry.data)
                view.apply(event)
                if output is Output.LINES:
                    _tell(console, event, view)
            sys.stdout.flush()
    return await client.get(run_id)


async def paced(batches: AsyncGenerator[Batch], speed: float) -> AsyncGenerator[Batch]:
    """The events one by one, each as long after the one before as it happened; long pauses are cut short."""
    before: datetime | None = None
    async with aclosing(batches):
        async for batch in batches:
            for entry in batch:
                at = datetime.fromisoformat(json.loads(entry.data)["at"])
                if before is not None:
                    pause = (at - before).total_seconds() / speed
                    await asyncio.sleep(min(max(0.0, pause), LONGEST_PAUSE))
                before = at
                yield [entry]


@asynccontextmanager
async def _pictures(
    view: View, console: Console, output: Output, *, replay: bool
) -> AsyncIterator[None]:
    if output is not Output.LIVE:
        yield
        return
    with Live(console=console, auto_refresh=False, transient=False) as screen:

        def picture() -> RenderableType:
            now = view.last_at if replay else None
            return live(view, width=console.width, height=console.height, now=now)

        async def repaint() -> None:
            while True:
                screen.update(picture(), refresh=True)
                await asyncio.sleep(_FRAME)

        async with asyncio.TaskGroup() as group:
            painter = group.create_task(repaint())
            try:
                yield
            finally:
                painter.cancel()
                screen.update(picture(), refresh=True)


def _tell(console: Console, event: Event, view: View) -> None:
    if line := line_of(event, view):
        console.print(one_line(line, 160), markup=False, highlight=False)
    for remark in remarks(event.body):
        console.print(
            f"  {one_line(remark, 160)}", style="dim", markup=False, highlight=False
        )


def show(console: Console, details: RunDetails) -> None:
    """The comparison, the conclusion, and what held the variations in."""
    console.print(comparison(details, width=console.width))
    console.print(conclusion(details))
    if line := limits_line(details):
        console.print(line, style="dim", markup=False, highlight=False)


def exit_code(details: RunDetails) -> int:
    """What a program should know of a run that has ended."""
    if details.status is RunStatus.DECIDED or (
        details.ranking and details.ranking.recommended is not None
    ):
        return Exit.RECOMMENDED
    return {RunStatus.FAILED: Exit.FAILED, RunStatus.CANCELLED: Exit.CANCELLED}.get(
        details.status, Exit.CANNOT_TELL
    )
