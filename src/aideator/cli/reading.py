"""Commands that only look."""

import json
import sys

from aideator.cli.connect import Client, Door
from aideator.cli.render import runs_table, show_patch
from aideator.cli.watching import choose_output, exit_code, show, watch
from aideator.domain.errors import Conflict


async def watch_run(door: Door, part: str, *, speed: float | None = None) -> int:
    """Follow a run from its beginning to its end; at a speed, with the pauses that there were."""
    async with door.connect() as client:
        run_id = await client.resolve(part)
        output = choose_output(door.console, json=door.json)
        details = await watch(client, run_id, door.console, output, speed=speed)
        if not door.json:
            show(door.console, details)
        return exit_code(details)


async def list_runs(door: Door, *, limit: int) -> None:
    """Show runs, newest first."""
    async with door.connect() as client:
        page = await client.list(limit=limit)
    if door.json:
        sys.stdout.write(json.dumps([run.model_dump(mode="json") for run in page.runs]) + "\n")
    elif page.runs:
        door.console.print(runs_table(page.runs))
    else:
        door.note('No runs yet. Start one: aideator run . "…", or see the demo: aideator demo')


async def show_run(door: Door, part: str) -> None:
    """Show one run."""
    async with door.connect() as client:
        details = await client.get(await client.resolve(part))
    if door.json:
        sys.stdout.write(details.model_dump_json() + "\n")
    else:
        show(door.console, details)


async def print_diff(door: Door, part: str, number: int | None) -> None:
    """Print a patch: in colour on a terminal, byte for byte elsewhere."""
    async with door.connect() as client:
        run_id = await client.resolve(part)
        patch = await client.patch(run_id, number or await best_of(client, run_id))
    if door.console.is_terminal:
        show_patch(door.console, patch.decode(errors="replace"))
    else:
        sys.stdout.buffer.write(patch)


async def best_of(client: Client, run_id: str) -> int:
    """The winner, or else the recommended variation.

    Raises:
        Conflict: if there is neither.
    """
    details = await client.get(run_id)
    number = details.winner or (details.ranking.recommended if details.ranking else None)
    if number is None:
        raise Conflict("no variation was selected or recommended", hint=f"name one: 1 … {len(details.variations)}")
    return number
