"""Arguments, options and headings that several commands share."""

from string import hexdigits
from typing import Annotated

import typer

from aideator.cli.completion import complete_run_id

START, VIEW, CONTINUE, DECIDE, ARCHIVE, SERVE = (
    "Start",
    "View",
    "Continue",
    "Decide",
    "Archive",
    "Serve and maintain",
)
"""The headings of `aideator --help`."""
_NEWEST = ("@", "last")
"""As in `app.pages`, which this module must not import."""
_LEAST_ID = 4
"""Hexadecimal digits that name a run."""


def check_run_id(part: str) -> str:
    """Refuse a part of a run's id that is too short.

    A script's empty variable would fit the only run that there is, and cancel or select
    it.

    Raises:
        BadParameter: if there are fewer than four hexadecimal digits.
    """
    if part in _NEWEST:
        return part
    if sum(character in hexdigits for character in part) < _LEAST_ID:
        raise typer.BadParameter(
            "at least four characters of a run's id, or @ for the newest run; "
            "`aideator list` shows the ids"
        )
    return part


RunId = Annotated[
    str,
    typer.Argument(
        metavar="RUN",
        callback=check_run_id,
        autocompletion=complete_run_id,
        help="The run's id, its first or last characters, or @ for the newest run.",
    ),
]
Number = Annotated[
    int, typer.Argument(metavar="VARIATION", help="The variation's number, 1 … N.")
]
OptionalNumber = Annotated[
    int | None,
    typer.Argument(metavar="VARIATION", help="The variation's number, 1 … N."),
]
Server = Annotated[
    str | None,
    typer.Option(
        "--server", envvar="AIDEATOR_SERVER", help="Use the server at this URL."
    ),
]
Json = Annotated[
    bool,
    typer.Option("--json", help="Print only machine-readable output on stdout."),
]
Agent = Annotated[str, typer.Option(help="The agent's name in the catalogue.")]
Model = Annotated[
    str | None, typer.Option(help="The model's id, as its provider names it.")
]
Effort = Annotated[
    str | None,
    typer.Option(help="How hard the model thinks: low, medium, high, xhigh or max."),
]
MaxTurns = Annotated[
    int | None, typer.Option(help="Model calls after which an agent stops.")
]
Instructions = Annotated[
    str, typer.Option(help="A strategy, added to the agent's own instructions.")
]
