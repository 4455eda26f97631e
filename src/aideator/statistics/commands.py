"""Command: `aideator stats`."""

import typer

from aideator.cli.command import CommandContext, command
from aideator.cli.parameters import VIEW

app = typer.Typer()


@command(
    app,
    panel=VIEW,
    epilog="""
Examples:

- `aideator stats`

- `aideator stats --json | jq .agents`
""",
)
async def stats(context: CommandContext) -> None:
    """Show how often each agent, model and strategy wins, and what it costs."""
    from aideator.statistics.client import read_statistics
    from aideator.statistics.table import summary, tables

    async with context.connect() as client:
        found = await read_statistics(client)
    if context.print_json(found):
        return
    if not found.decided:
        context.print_line(
            f"{found.runs} runs have ended, and none is decided yet. "
            "Select a winner: aideator select RUN N"
        )
        return
    context.print(*tables(found))
    for line in summary(found):
        context.print_line(line)
