"""Follow a run: live panels on a terminal, lines elsewhere, NDJSON for programs."""

import asyncio
import json
import sys
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager, nullcontext
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from rich.console import Console, RenderableType
from rich.live import Live

from aideator.cli.exit import ExitCode, exit_code_of
from aideator.cli.host_prompt import answering_hosts
from aideator.cli.ui.escape import one_line
from aideator.cli.ui.lines import finished_message, line_of
from aideator.cli.ui.live import live, preparation
from aideator.cli.ui.reduce import RunView
from aideator.cli.ui.setup_line import detail_lines
from aideator.cli.ui.summary import print_outcome
from aideator.domain.events import Event, RunStarted
from aideator.domain.run import RunDetails
from aideator.domain.visible import escape_json

if TYPE_CHECKING:
    from aideator.cli.command import CommandContext
    from aideator.client.remote import AsyncClient
    from aideator.eventlog.base import Batch

_FRAME_SECONDS = 0.1
_REMINDER_SECONDS = 30.0
LONGEST_PAUSE = 5.0
"""Seconds that a replay waits at most between two events."""
_LINE_WIDTH, _WHOLE_WIDTH = 160, 4000


class Display(StrEnum):
    """How a run is shown."""

    LIVE = "live"
    LINES = "lines"
    JSON = "json"


def display_for(context: "CommandContext") -> Display:
    """Return JSON if it was asked for, else what standard output can show."""
    if context.json:
        return Display.JSON
    return Display.LIVE if context.console.is_terminal else Display.LINES


async def watch_and_summarise(
    context: "CommandContext",
    client: "AsyncClient",
    run_id: str,
    *,
    speed: float | None = None,
    after: int = 0,
) -> ExitCode:
    """Show a run until its end, then its outcome. See `watch`.

    Returns:
        The exit code that tells the outcome.
    """
    details = await watch(context, client, run_id, speed=speed, after=after)
    if not context.json:
        print_outcome(context.console, details)
    return exit_code_of(details)


async def watch(
    context: "CommandContext",
    client: "AsyncClient",
    run_id: str,
    *,
    speed: float | None = None,
    after: int = 0,
) -> RunDetails:
    """Show a run until nothing more will happen.

    Args:
        context: How it is shown.
        client: Where the run is.
        run_id: The run.
        speed: Keep the pauses between events, divided by this; none when absent.
        after: The seq of the last event that is known already, and not printed.
    """
    view, display = RunView(), display_for(context)
    can_answer = speed is None and display is Display.LIVE and sys.stdin.isatty()
    batches = client.follow(run_id, interactive=can_answer)
    if speed is not None:
        batches = paced(batches, speed)
    async with (
        _painted(view, context.console, display, replay=speed is not None),
        aclosing(batches),
        answering_hosts(view, client, run_id) if can_answer else nullcontext(),
    ):
        async for batch in batches:
            for entry in batch:
                is_new = entry.seq > after
                _show(context.console, display, view, entry.data, is_new=is_new)
            sys.stdout.flush()
    return await client.get(run_id)


def _show(
    console: Console, display: Display, view: RunView, data: bytes, *, is_new: bool
) -> None:
    if display is Display.JSON:
        if is_new:
            sys.stdout.write(escape_json(data.decode()) + "\n")
        return
    event = Event.model_validate_json(data)
    said = finished_message(event, view)
    view.apply(event)
    if display is Display.LINES and is_new:
        if said:
            console.print(one_line(said, _LINE_WIDTH), highlight=False)
        _print_lines(console, event, view)


async def paced(
    batches: AsyncGenerator["Batch"], speed: float
) -> AsyncGenerator["Batch"]:
    """Yield events one by one, with the pauses in which they happened.

    Args:
        batches: The events.
        speed: What each pause is divided by. None is longer than `LONGEST_PAUSE`.
    """
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
async def _painted(
    view: RunView, console: Console, display: Display, *, replay: bool
) -> AsyncIterator[None]:
    """Paint the view again and again while the context is open, on a terminal."""
    if display is not Display.LIVE:
        async with _reminding(view, console, wanted=display is Display.LINES):
            yield
        return
    with Live(console=console, auto_refresh=False, transient=False) as screen:

        def picture() -> RenderableType:
            now = view.last_at if replay else None
            return live(view, width=console.width, height=console.height, now=now)

        async def repaint() -> None:
            while True:
                screen.update(picture(), refresh=True)
                await asyncio.sleep(_FRAME_SECONDS)

        async with asyncio.TaskGroup() as group:
            painter = group.create_task(repaint())
            try:
                yield
            finally:
                painter.cancel()
                screen.update(picture(), refresh=True)


@asynccontextmanager
async def _reminding(
    view: RunView, console: Console, *, wanted: bool
) -> AsyncIterator[None]:
    """Say now and then what goes on before the agents start: it may take minutes."""

    async def remind() -> None:
        while wanted:
            await asyncio.sleep(_REMINDER_SECONDS)
            now = datetime.now(UTC)
            if line := preparation(view, now, width=_LINE_WIDTH):
                console.print(line, style="dim", highlight=False)

    try:
        async with asyncio.TaskGroup() as group:
            reminder = group.create_task(remind())
            try:
                yield
            finally:
                reminder.cancel()
    except BaseExceptionGroup as errors:
        # A reader that went away is told by its own error.
        raise errors.exceptions[0] from None


def _print_lines(console: Console, event: Event, view: RunView) -> None:
    if line := line_of(event, view):
        # What a run was started with is there to be read, and to be copied.
        whole = isinstance(event.body, RunStarted)
        text = one_line(line, _WHOLE_WIDTH if whole else _LINE_WIDTH)
        console.print(text, highlight=False)
    for detail in detail_lines(event.body):
        text = f"  {one_line(detail, _LINE_WIDTH)}"
        console.print(text, style="dim", highlight=False)
