"""`aideator watch`: follow a run live, or replay it."""

from typing import Annotated

import typer

from aideator.cli.command import CommandContext, command
from aideator.cli.parameters import VIEW, RunId

app = typer.Typer()


@command(
    app,
    panel=VIEW,
    epilog="""
Examples:

- `aideator watch 3f2a91c0`

- `aideator watch 3f2a91c0 --speed 4` replays a run at four times its speed

- `aideator watch 3f2a91c0 --json | jq .body.kind`
""",
)
async def watch(
    context: CommandContext,
    run_id: RunId,
    *,
    speed: Annotated[
        float | None,
        typer.Option(
            help="Keep the pauses between events, divided by this; none when absent.",
            min=0.01,
        ),
    ] = None,
) -> int:
    """Follow a run live, from its start. Ctrl-C stops watching, not the run."""
    from aideator.cli.follow import watch_and_summarise

    async with context.connect() as client:
        found = await client.resolve(run_id)
        return await watch_and_summarise(context, client, found, speed=speed)
