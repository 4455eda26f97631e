"""What the commands' declarations share: options, arguments, and how a command is carried out."""

from string import hexdigits
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Callable

    from aideator.cli.connect import Door
    from aideator.cli.guard import Work

ASK, LOOK, SERVE, DECIDE, GO_ON, KEEP = (
    "Ask",
    "Look",
    "Serve and maintain",
    "Decide",
    "Go on",
    "Keep",
)
"""The headings of `aideator --help`."""


def name_a_run(part: str) -> str:
    """Refuse what an empty variable of a script gives: it must not cancel or select the only run that there is."""
    if sum(character in hexdigits for character in part) < 4:
        raise typer.BadParameter(
            "at least four characters of a run's id; `aideator list` shows the ids"
        )
    return part


Server = Annotated[
    str | None,
    typer.Option(
        "--server", envvar="AIDEATOR_SERVER", help="Use the server at this URL."
    ),
]
Json = Annotated[
    bool,
    typer.Option("--json", help="Machine-readable output on stdout, nothing else."),
]
RunId = Annotated[
    str,
    typer.Argument(
        metavar="RUN",
        callback=name_a_run,
        help="The run's id, or its first or last characters.",
    ),
]
Number = Annotated[int | None, typer.Argument(metavar="[VARIATION]", help="1 … N.")]


def run_command(
    command: "Callable[[Door], Work]", *, server: str | None = None, json: bool = False
) -> None:
    """Carry a command out in this process, or at a server."""
    from aideator.cli import connect, guard

    guard.run(lambda: command(connect.open_door(server=server, json=json)))
