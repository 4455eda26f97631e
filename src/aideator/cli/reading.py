"""Commands that only look."""

import json
import sys
from typing import get_args

from rich.console import Group
from rich.table import Table
from rich.text import Text

from aideator.cli.connect import Client, Door
from aideator.cli.submit import whole_path
from aideator.cli.ui.escape import plain
from aideator.cli.ui.evidence import each_test
from aideator.cli.ui.live import runs_table, show_patch
from aideator.cli.ui.setup_line import SOURCES
from aideator.cli.ui.watch import choose_output, exit_code, show, watch
from aideator.domain.errors import Conflict
from aideator.domain.project import Project, ProjectField


async def watch_run(door: Door, part: str, *, speed: float | None = None) -> int:
    """Follow a run from its beginning to its end; at a speed, with the pauses that there were."""
    async with door.connect() as client:
        run_id = await client.resolve(part)
        output = choose_output(door.console, json=door.json)
        details = await watch(client, run_id, door.console, output, speed=speed)
        if not door.json:
            show(door.console, details)
        return exit_code(details)


async def inspect_repository(door: Door, repo: str, ref: str | None) -> None:
    """Show what a run on the repository would do besides the agents' work."""
    async with door.connect() as client:
        project = await client.inspect(whole_path(repo), ref, local=True)
    if door.json:
        sys.stdout.write(project.model_dump_json() + "\n")
    else:
        door.console.print(_findings(project))
        door.note(
            "change it: --setup, --no-setup, --check, --protect, or .aideator.toml",
            style="dim",
        )


def _findings(project: Project) -> Group:
    table = Table(box=None, show_header=False)
    commands = (
        [command.command for command in project.setup],
        [check.label for check in project.checks],
    )
    for what, entries in zip(
        get_args(ProjectField), (*commands, project.protected), strict=True
    ):
        source = SOURCES[project.sources[what]] if entries else ""
        table.add_row(
            Text(what, style="bold"),
            Text("\n".join(map(plain, entries)) or "none", overflow="fold"),
            Text(source, style="dim"),
        )
    notes = [Text(f"! {plain(note)}", style="yellow") for note in project.notes]
    return Group(Text(f"commit {project.commit[:12]}", style="dim"), table, *notes)


async def list_runs(door: Door, *, limit: int) -> None:
    """Show runs, newest first."""
    async with door.connect() as client:
        page = await client.list(limit=limit)
    if door.json:
        sys.stdout.write(
            json.dumps([run.model_dump(mode="json") for run in page.runs]) + "\n"
        )
    elif page.runs:
        door.console.print(runs_table(page.runs))
    else:
        door.note(
            'No runs yet. Start one: aideator run . "…", or see the demo: aideator demo'
        )


async def show_run(door: Door, part: str, *, tests: bool = False) -> None:
    """Show one run, with each test that tells something if that is asked for."""
    async with door.connect() as client:
        details = await client.get(await client.resolve(part))
    if door.json:
        sys.stdout.write(details.model_dump_json() + "\n")
    else:
        show(door.console, details)
        if tests:
            door.console.print(each_test(details))


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
    number = details.winner or (
        details.ranking.recommended if details.ranking else None
    )
    if number is None:
        raise Conflict(
            "no variation was selected or recommended",
            hint=f"name one: 1 … {len(details.variations)}",
        )
    return number
