"""The commands that make something of a run: go on, choose, publish, keep."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from aideator.cli.options import (
    DECIDE,
    GO_ON,
    Json,
    Number,
    RunId,
    Server,
    run_command,
)

app = typer.Typer()
Variation = Annotated[int, typer.Argument(metavar="VARIATION", help="1 … N.")]


@app.command(rich_help_panel=DECIDE)
def select(
    run_id: RunId,
    number: Variation,
    *,
    reason: Annotated[str, typer.Option(help="Why; kept with the decision.")] = "",
    json: Json = False,
    server: Server = None,
) -> None:
    """Keep a variation as the winner."""
    from aideator.cli import deciding

    run_command(
        lambda door: deciding.select_winner(door, run_id, number, reason=reason),
        server=server,
        json=json,
    )


@app.command(rich_help_panel=DECIDE)
def undo(run_id: RunId, *, json: Json = False, server: Server = None) -> None:
    """Take the decision back, until the winner is published."""
    from aideator.cli import deciding

    run_command(lambda door: deciding.undo(door, run_id), server=server, json=json)


@app.command(
    rich_help_panel=DECIDE,
    epilog='Example: `aideator clear 3f2a91c0 2 "The old expectation was wrong, see #12"`',
)
def clear(
    run_id: RunId,
    number: Variation,
    reason: Annotated[
        str, typer.Argument(help="Why the flags may pass; kept with the variation.")
    ],
    *,
    json: Json = False,
    server: Server = None,
) -> None:
    """Let a variation's flags pass, so that it can be recommended."""
    from aideator.cli import deciding

    run_command(
        lambda door: deciding.clear(door, run_id, number, reason),
        server=server,
        json=json,
    )


@app.command(
    rich_help_panel=DECIDE,
    epilog="Example: `cd my/checkout && aideator apply 3f2a91c0 2 --branch fix-dates`",
)
def apply(
    run_id: RunId,
    number: Number = None,
    *,
    repo: Annotated[
        Path, typer.Option(help="Your checkout.", file_okay=False)
    ] = Path(),
    branch: Annotated[
        str | None,
        typer.Option(help="The new branch; aideator/RUN-VARIATION when absent."),
    ] = None,
    server: Server = None,
) -> None:
    """Put the winner's change on a new branch of your checkout.

    A dirty tree is refused.
    """
    from aideator.cli import deciding

    run_command(
        lambda door: deciding.apply_change(
            door, run_id, number, repo=repo, branch=branch
        ),
        server=server,
    )


@app.command(
    rich_help_panel=GO_ON,
    epilog="""
Examples:

- `aideator prompt 3f2a91c0 2 "Also cover negative numbers"`

- `aideator prompt 3f2a91c0 all "Also cover negative numbers"`
""",
)
def prompt(
    run_id: RunId,
    number: Annotated[str, typer.Argument(metavar="VARIATION", help="1 … N, or all.")],
    text: Annotated[
        str, typer.Argument(help="What is to be done next; `-` reads it from stdin.")
    ],
    *,
    json: Json = False,
    server: Server = None,
) -> None:
    """Give one variation, or all, a follow-up turn on their own trees."""
    from aideator.cli import deciding

    if number != "all" and not number.isdecimal():
        raise typer.BadParameter("a number, or all", param_hint="VARIATION")
    one = None if number == "all" else int(number)
    said = sys.stdin.read() if text == "-" else text
    run_command(
        lambda door: deciding.follow_up(door, run_id, one, said),
        server=server,
        json=json,
    )


@app.command(
    rich_help_panel=GO_ON,
    epilog="""
Examples:

- `aideator add 3f2a91c0`

- `aideator add 3f2a91c0 --model claude-sonnet-5-5 --instructions "Write the test first."`
""",
)
def add(  # noqa: PLR0913 - each is a documented option
    run_id: RunId,
    *,
    agent: Annotated[str, typer.Option(help="A row of the catalogue.")] = "builtin",
    model: Annotated[
        str | None, typer.Option(help="The model, as its provider names it.")
    ] = None,
    effort: Annotated[
        str | None, typer.Option(help="low, medium, high, xhigh or max.")
    ] = None,
    max_turns: Annotated[
        int | None, typer.Option(help="Model calls after which the agent stops.")
    ] = None,
    instructions: Annotated[
        str, typer.Option(help="A strategy, added to the agent's own instructions.")
    ] = "",
    json: Json = False,
    server: Server = None,
) -> None:
    """Have one more agent work on a run, also while the others do."""
    from aideator.cli import deciding

    spec = {
        "agent": agent,
        "model": model,
        "effort": effort,
        "max_turns": max_turns,
        "instructions": instructions,
    }
    run_command(
        lambda door: deciding.add_agent(door, run_id, spec), server=server, json=json
    )


@app.command(
    rich_help_panel=GO_ON,
    epilog="""
Examples:

- `aideator compose 3f2a91c0 1:reflow.py 3:test_wrap.py`

- `aideator compose 3f2a91c0 1:reflow.py#0,2 3:reflow.py#1` takes hunks of one file, counted from 0
""",
)
def compose(
    run_id: RunId,
    parts: Annotated[
        list[str],
        typer.Argument(
            metavar="VARIATION:PATH[#HUNKS]…", help="Files, or hunks of files."
        ),
    ],
    *,
    json: Json = False,
    server: Server = None,
) -> None:
    """Put files and hunks of several variations together as a new one, which is judged like every other."""
    from aideator.cli import deciding

    run_command(
        lambda door: deciding.compose(door, run_id, parts), server=server, json=json
    )


@app.command(rich_help_panel=GO_ON)
def cancel(run_id: RunId, number: Number = None, *, server: Server = None) -> None:
    """Stop a run, or one of its variations."""
    from aideator.cli import deciding

    run_command(lambda door: deciding.cancel_run(door, run_id, number), server=server)
