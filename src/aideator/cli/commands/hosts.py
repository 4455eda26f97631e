"""`aideator hosts`: list the hosts that were allowed to set-up, or forget one."""

from typing import Annotated

import typer

from aideator.cli.command import CommandContext, command
from aideator.cli.parameters import SERVE

app = typer.Typer()


@command(
    app,
    panel=SERVE,
    json=False,
    epilog="""
Examples:

- `aideator hosts`

- `aideator hosts --forget files.example.org`
""",
)
async def hosts(
    context: CommandContext,
    *,
    forget: Annotated[
        str | None, typer.Option(help="Allow this host no more, to no repository.")
    ] = None,
) -> None:
    """List the hosts that you have allowed to set-up, for a repository or always."""
    from aideator.client.hosts import forget_host, list_hosts

    async with context.connect() as client:
        if forget is None:
            found = await list_hosts(client)
        else:
            server = forget if ":" in forget else f"{forget}:443"
            found = await forget_host(client, server)
    for each in found:
        where = each.repository or "every repository"
        verb = "forgotten: " if forget else ""
        context.print_line(f"{verb}{each.host.removesuffix(':443')}  {where}")
    if not found:
        context.print_line("no host was allowed by an answer")
