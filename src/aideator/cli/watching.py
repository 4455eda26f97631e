"""Follow a run to its end: live columns on a terminal, lines elsewhere, NDJSON for programs."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from enum import StrEnum

from rich.console import Console
from rich.live import Live

from aideator.cli.connect import Client
from aideator.cli.found import opening, remarks
from aideator.cli.plain import one_line
from aideator.cli.render import comparison, conclusion, limits_line, live
from aideator.cli.view import View
from aideator.domain.check import CheckResult, TestOutcome
from aideator.domain.events import Event
from aideator.domain.run import RunDetails, RunStatus

_FRAME = 0.1
"""Seconds between two pictures."""

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


async def watch(client: Client, run_id: str, console: Console, output: Output) -> RunDetails:
    """Show the run until nothing more will happen."""
    view = View()
    async with _pictures(view, console, output), aclosing(client.follow(run_id)) as batches:
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


@asynccontextmanager
async def _pictures(view: View, console: Console, output: Output) -> AsyncIterator[None]:
    if output is not Output.LIVE:
        yield
        return
    with Live(console=console, auto_refresh=False, transient=False) as screen:

        async def repaint() -> None:
            while True:
                screen.update(live(view, width=console.width, height=console.height), refresh=True)
                await asyncio.sleep(_FRAME)

        async with asyncio.TaskGroup() as group:
            painter = group.create_task(repaint())
            try:
                yield
            finally:
                painter.cancel()
                screen.update(live(view, width=console.width, height=console.height), refresh=True)


def _line(console: Console, event: Event, view: View) -> None:
    """One line for what a person would want to know; deltas and usage are left out."""
    who = f"[{event.variation_id}] " if event.variation_id is not None else ""
    body = event.body
    match body.kind:
        case "run_started" | "setup":
            text = opening(body)
        case "variation_started":
            text = f"attempt {body.attempt} starts"
        case "tool_call" | "tool_call_update" if body.status in _ENDED and event.variation_id is not None:
            text = f"{_ENDED[body.status]} {view.lane(event.variation_id).tools.get(body.tool_call_id, 'tool')}"
        case "check":
            text = f"check `{body.result.check}` {'passes' if body.result.passed else 'fails'}{_counted(body.result)}"
            text += "" if event.variation_id is not None else " on the base"
        case "evidence":
            tests = len(body.evidence.cross_tests)
            text = f"{tests} test{'s' * (tests != 1)} of the variations examined the others" if tests else ""
        case "variation_finished":
            calls = view.lane(body.verdict.variation_id).calls
            text = f"done, {calls} tool call{'s' * (calls != 1)}"
        case "variation_failed" | "error":
            text = f"{body.reason}: {body.message}"
        case _:
            return
    if text:
        console.print(who + one_line(text, 160), markup=False, highlight=False)
    for remark in remarks(body):
        console.print(f"  {one_line(remark, 160)}", style="dim", markup=False, highlight=False)


def _counted(result: CheckResult) -> str:
    total, passed = sum(result.counts.values()), result.counts.get(TestOutcome.PASSED, 0)
    return f" ({passed} of {total} tests)" if total else f" ({result.note})" if result.note else ""


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
