"""`aideator delete`: remove a run for good."""

import sys
from typing import Annotated

import typer

from aideator.cli.command import CommandContext, command
from aideator.cli.parameters import ARCHIVE, RunId

app = typer.Typer()


@command(
    app,
    panel=ARCHIVE,
    json=False,
    epilog="""
Examples:

- `aideator delete 3f2a91c0`

- `aideator delete @ --yes` deletes the newest run without asking

Branches and pull requests that were made of it stay.
""",
)
async def delete(
    context: CommandContext,
    run_id: RunId,
    *,
    yes: Annotated[
        bool, typer.Option("-y", "--yes", help="Do not ask for confirmation.")
    ] = False,
) -> None:
    """Delete a run that has ended: its log, its changes, its results."""
    from aideator.cli.ui.escape import one_line
    from aideator.domain.errors import InvalidInput

    async with context.connect() as client:
        found = await client.resolve(run_id)
        if not yes:
            if not sys.stdin.isatty():
                raise InvalidInput(
                    "there is no terminal to ask at", hint="confirm with --yes"
                )
            details = await client.get(found)
            prompt = one_line(details.spec.prompt, 60)
            typer.confirm(
                f"Delete run {found[-8:]} ({prompt}) for good?", abort=True, err=True
            )
        await client.delete(found)
    context.print_line(f"Run {found[-8:]} was deleted.")
