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
    from aideator.statistics.tables import sentences, table

    async with context.connect() as client:
        found = await client.keeping.stats()
    if context.print_json(found):
        return
    if not found.decided:
        context.print_line(
            f"{found.runs} runs have ended, and none is decided yet. "
            "Select a winner: aideator select RUN N"
        )
        return
    context.print(
        table("agent", found.agents),
        table("model", found.models, unnamed="(the agent's own)"),
        table("strategy", found.strategies, unnamed="(none)"),
    )
    for sentence in sentences(found):
        context.print_line(sentence)
