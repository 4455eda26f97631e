"""Command that shows the statistics."""

import sys
from typing import TYPE_CHECKING

import typer

from aideator.cli.options import LOOK, Json, Server, run_command

if TYPE_CHECKING:
    from aideator.cli.connect import Door

app = typer.Typer()


@app.command(rich_help_panel=LOOK)
def stats(*, json: Json = False, server: Server = None) -> None:
    """Show what past decisions say: wins by agent, model and strategy, and cost."""
    run_command(_show, server=server, json=json)


async def _show(door: "Door") -> None:
    from aideator.statistics.client import read_statistics
    from aideator.statistics.table import summary, tables

    async with door.connect() as client:
        stats = await read_statistics(client)
    if door.json:
        sys.stdout.write(stats.model_dump_json() + "\n")
        return
    if not stats.decided:
        door.note(
            f"{stats.runs} runs have ended, and none was decided yet. "
            "Choose a winner: aideator select RUN N"
        )
        return
    for table in tables(stats):
        door.console.print(table)
    for line in summary(stats):
        door.note(line)
