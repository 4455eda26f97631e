"""Command that opens a terminal in a variation's sandbox."""

from typing import Annotated

import typer

from aideator.cli.options import LOOK, RunId, Server, run_command

app = typer.Typer()


@app.command(
    rich_help_panel=LOOK,
    epilog="""
Examples:

- `aideator shell 3f2a91c0 2` opens a shell beside the agent while it works, and in a
copy of its change afterwards

- `aideator shell 3f2a91c0 2 -- pytest -q`

- `aideator shell 3f2a91c0 -- "git log --oneline | head"` prints the output; without a
terminal nothing is typed

Ctrl-] leaves. Exit code: that of the shell, or of the command.
""",
)
def shell(
    run_id: RunId,
    rest: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[VARIATION] [-- COMMAND...]",
            help="1 … N (as for `diff` when absent); what to run.",
        ),
    ] = None,
    *,
    server: Server = None,
) -> None:
    """Open a terminal in a variation's sandbox.

    What is done in a finished one is thrown away.
    """
    from aideator.workbench.shell import open_shell

    number, command = _parse(rest or [])
    run_command(lambda door: open_shell(door, run_id, number, command), server=server)


def _parse(rest: list[str]) -> tuple[int | None, list[str]]:
    """Split the arguments into the variation, if one is named, and the command."""
    if rest and rest[0].isdecimal():
        return int(rest[0]), rest[1:]
    return None, rest
