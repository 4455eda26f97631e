"""Commands that change what becomes of a run."""

import re
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from aideator.app.commit_message import commit_message
from aideator.changes.branch import apply_to_checkout
from aideator.cli.connect import Client, Door
from aideator.cli.reading import best_of
from aideator.cli.submit import need_a_model, read
from aideator.cli.ui.watch import choose_output, exit_code, show, watch
from aideator.domain.errors import InvalidInput
from aideator.domain.run import AgentSpec, ComposedPart, RunDetails


async def select_winner(door: Door, part: str, number: int, *, reason: str) -> None:
    """Keep a variation as the winner."""
    async with door.connect() as client:
        run_id = await client.resolve(part)
        details = await client.select(run_id, number, reason)
    if _as_json(door, details):
        return
    door.note(f"Variation {number} is the winner of run {run_id[-8:]}.")
    door.note(
        f"next: aideator publish {run_id[-8:]}, or in your checkout: aideator apply {run_id[-8:]}",
        style="dim",
    )


async def apply_change(
    door: Door, part: str, number: int | None, *, repo: Path, branch: str | None
) -> None:
    """Commit a variation's change on a new branch of the user's checkout."""
    async with door.connect() as client:
        run_id = await client.resolve(part)
        chosen = number or await best_of(client, run_id)
        details, patch = await client.get(run_id), await client.patch(run_id, chosen)
    name = branch or f"aideator/{run_id[-8:]}-{chosen}"
    message = commit_message(details, chosen)
    commit = await apply_to_checkout(
        repo, base=details.commit or "", patch=patch, branch=name, message=message
    )
    door.note(f"Branch {name} at {commit[:12]} has the change of variation {chosen}.")


async def undo(door: Door, part: str) -> None:
    """Take the decision back."""
    async with door.connect() as client:
        run_id = await client.resolve(part)
        details = await client.deselect(run_id)
    if not _as_json(door, details):
        door.note(f"Run {run_id[-8:]} is {details.status}, without a winner.")


async def clear(door: Door, part: str, number: int, reason: str) -> None:
    """Let a variation's flags pass."""
    async with door.connect() as client:
        details = await client.clear(await client.resolve(part), number, reason)
    if not _as_json(door, details):
        show(door.console, details)


async def follow_up(door: Door, part: str, number: int | None, text: str) -> int:
    """Give one variation or all a follow-up turn, and watch it."""
    return await _go_on(
        door, part, lambda client, run_id: client.prompt(run_id, number, text)
    )


async def add_agent(door: Door, part: str, spec: Mapping[str, Any]) -> int:
    """Have one more agent work on the run, and watch it."""
    asked = read(AgentSpec, spec)
    return await _go_on(door, part, lambda client, run_id: client.add(run_id, asked))


async def compose(door: Door, part: str, named: Sequence[str]) -> int:
    """Put parts of variations together, and watch how the result is judged."""
    parts = [read_part(text) for text in named]
    return await _go_on(
        door, part, lambda client, run_id: client.compose(run_id, parts), model=False
    )


def read_part(text: str) -> ComposedPart:
    """A part as it is typed: `VARIATION:PATH`, with `#0,2` behind it for hunks.

    Raises:
        InvalidInput: if it is written otherwise.
    """
    found = re.fullmatch(
        r"(\d{1,3}):(.+?)(?:#(\d{1,5}(?:,\d{1,5})*))?", text, re.DOTALL
    )
    if found is None:
        raise InvalidInput(
            f"{text!r} is no part", hint="write VARIATION:PATH or VARIATION:PATH#0,2"
        )
    hunks = tuple(map(int, found[3].split(","))) if found[3] else None
    return read(
        ComposedPart, {"variation_id": int(found[1]), "path": found[2], "hunks": hunks}
    )


Step = Callable[[Client, str], Awaitable[RunDetails]]


async def _go_on(door: Door, part: str, step: Step, *, model: bool = True) -> int:
    """Give a run something to do, and follow it to its end."""
    if model and door.url() is None:
        need_a_model(door.settings)
    async with door.connect(work=True) as client:
        run_id = await client.resolve(part)
        await step(client, run_id)
        details = await watch(
            client, run_id, door.console, choose_output(door.console, json=door.json)
        )
        if not door.json:
            show(door.console, details)
        return exit_code(details)


def _as_json(door: Door, answer: BaseModel) -> bool:
    if door.json:
        sys.stdout.write(answer.model_dump_json() + "\n")
    return door.json


async def cancel_run(door: Door, part: str, number: int | None) -> None:
    """Stop a run or one of its variations."""
    async with door.connect(work=True) as client:
        details = await client.cancel(await client.resolve(part), number)
    door.note(f"run {details.id[-8:]} is {details.status}")
