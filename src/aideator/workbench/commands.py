"""Command: `aideator shell`."""

from typing import Annotated

import typer

from aideator.cli.command import CommandContext, command
from aideator.cli.parameters import VIEW, RunId

app = typer.Typer()


@command(
    app,
    panel=VIEW,
    json=False,
    epilog="""
Examples:

- `aideator shell 3f2a91c0 2` opens a shell beside the agent while it works, and in a
  copy of its change afterwards

- `aideator shell 3f2a91c0 2 -- pytest -q`

- `aideator shell 3f2a91c0 -- "git log --oneline | head"` prints the output; without a
  terminal there is no input

Ctrl-] leaves. Exit code: that of the shell, or of the command.
""",
)
async def shell(
    context: CommandContext,
    run_id: RunId,
    rest: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[VARIATION] [-- COMMAND...]",
            help="The variation's number, 1 … N (as for `diff` when absent), "
            "and a command.",
        ),
    ] = None,
) -> int:
    """Open a terminal in a variation's sandbox.

    Changes in the sandbox of a finished variation are discarded when it closes.
    """
    from aideator.workbench.shell import open_shell

    words = rest or []
    if words and words[0].isdecimal():
        return await open_shell(context, run_id, int(words[0]), words[1:])
    return await open_shell(context, run_id, None, words)
