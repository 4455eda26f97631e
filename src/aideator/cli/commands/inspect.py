"""`aideator inspect`: show how a repository would be set up and checked."""

from typing import Annotated

import typer

from aideator.cli.command import CommandContext, command
from aideator.cli.parameters import REPOSITORY, START, Folder

app = typer.Typer()


@command(
    app,
    panel=START,
    epilog="""
Examples:

- `aideator inspect`

- `aideator inspect https://github.com/user/repo --ref v2`

- `aideator inspect . --json | jq -r .setup[].command`
""",
)
async def inspect(
    context: CommandContext,
    repo: Annotated[str, typer.Argument(help=REPOSITORY)] = ".",
    *,
    ref: Annotated[str | None, typer.Option(help="Branch, tag or commit.")] = None,
    path: Folder = "",
) -> None:
    """Show how a repository would be set up and checked, and why.

    Nothing in the repository is executed.
    """
    from aideator.cli.parsing import read_location
    from aideator.cli.ui.setup_line import project_table

    found = await read_location(context, repo, ref, path)
    async with context.connect() as client:
        project = await client.inspect(found.repo_url, found.ref, found.path)
    if context.print_json(project):
        return
    context.print(project_table(project))
    context.print_line(
        "change it: --setup, --no-setup, --check, --protect, or .aideator.toml",
        style="dim",
    )
