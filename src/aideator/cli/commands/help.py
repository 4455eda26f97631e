"""`aideator help`: the same as `--help`, where a user looks for it first."""

from typing import Annotated

import typer

from aideator.cli.parameters import VIEW

app = typer.Typer()


@app.command("help", rich_help_panel=VIEW, epilog="Example: `aideator help run`")
def show_help(
    context: typer.Context,
    words: Annotated[
        list[str] | None,
        typer.Argument(metavar="[COMMAND]...", help="A command; all when absent."),
    ] = None,
) -> None:
    """Show how to use a command, as --help does."""
    root = context.find_root()
    arguments = [*(words or []), "--help"]
    root.command.main(arguments, prog_name=root.info_name, standalone_mode=False)
