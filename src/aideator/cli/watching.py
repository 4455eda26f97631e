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
from aideator.cli.render import comparison, conclusion, limits_line, live, one_line
from aideator.cli.view import View
from aideator.domain.events import Body, Deselected, Event, FlagsCleared, Published, VariationAdded
from aideator.domain.run import RunDetails, RunStatus

_FRAME = 0.1
"""Seconds between two pictures."""
LONGEST_PAUSE = 5.0
"""Seconds that a replay waits at most between two events."""

_ENDED = {"completed": "✓", "failed": "✗"}


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
    client: Client, run_id: str, console: Console, output: Output, *, speed: float | None = None
) -> RunDetails:
    """Show the run until nothing more will happen.

    Args:
        client: Where the run is.
        run_id: The run.
        console: Where it is shown.
        output: How.
        speed: With the pauses that there were between the events, so many times as fast; at once when absent.
    """
    view = View()
    batches = client.follow(run_id) if speed is None else paced(client.follow(run_id), speed)
    async with _pictures(view, console, output, replay=speed is not None), aclosing(batches):
        async for batch in batches:
            for entry in batch:
                if output is Output.JSON:
                    sys.stdout.write(entry.data.decode() + "\n")
                    continue
                event = Event.model_validate_json(entry.data)
                view.apply(event)
                if output is Output.LINES:
                    _line(console, event, view)
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
async def _pictures(view: View, console: Console, output: Output, *, replay: bool) -> AsyncIterator[None]:
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


def _line(console: Console, event: Event, view: View) -> None:
    """One line for what a person would want to know; deltas and usage are left out."""
    who = f"[{event.variation_id}] " if event.variation_id is not None else ""
    body = event.body
    match body.kind:
        case "run_started":
            checks = ", ".join(check.label for check in body.checks) or "none"
            known = f"base {body.commit[:12]}, {body.variations} variations, checks: {checks}" if body.commit else ""
            text = known or f"fetching {body.repo_url}"
        case "variation_started":
            text = f"attempt {body.attempt} starts"
        case "tool_call" | "tool_call_update" if body.status in _ENDED and event.variation_id is not None:
            text = f"{_ENDED[body.status]} {view.lane(event.variation_id).tools.get(body.tool_call_id, 'tool')}"
        case "check":
            text = f"check `{body.result.check}` {'passes' if body.result.passed else 'fails'}"
            text += "" if event.variation_id is not None else " on the base"
        case "variation_finished":
            calls = view.lane(body.verdict.variation_id).calls
            text = f"done, {calls} tool call{'s' * (calls != 1)}"
        case "variation_failed" | "error":
            text = f"{body.reason}: {body.message}"
        case _:
            text = _decision(body)
    if text:
        console.print(who + one_line(text, 160), markup=False, highlight=False)


def _decision(body: Body) -> str:
    """What a person has made of a run; nothing for other events."""
    match body:
        case VariationAdded(composed=parts) if parts:
            return f"composed from {', '.join(map(str, sorted({part.variation_id for part in parts})))}"
        case VariationAdded(seat=seat):
            return f"another seat: {seat.agent}"
        case FlagsCleared(reason=reason):
            return f"flags cleared: {reason}"
        case Deselected():
            return "the decision was undone"
        case Published(publication=made):
            return f"published as {made.branch} {made.pull_request or ''}"
        case _:
            return ""


def show(console: Console, details: RunDetails) -> None:
    """The comparison, the conclusion, and what held the variations in."""
    console.print(comparison(details, width=console.width))
    console.print(conclusion(details))
    if line := limits_line(details):
        console.print(line, style="dim", markup=False, highlight=False)


def exit_code(details: RunDetails) -> int:
    """What a program should know of a run that has ended."""
    if details.status is RunStatus.DECIDED or (details.ranking and details.ranking.recommended is not None):
        return Exit.RECOMMENDED
    return {RunStatus.FAILED: Exit.FAILED, RunStatus.CANCELLED: Exit.CANCELLED}.get(details.status, Exit.CANNOT_TELL)
