"""Commands that continue or stop a run: `prompt`, `add`, `compose` and `cancel`."""

import re
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated

import typer

from aideator.cli.command import CommandContext, command
from aideator.cli.parameters import (
    CONTINUE,
    Agent,
    Effort,
    Instructions,
    MaxTurns,
    Model,
    OptionalNumber,
    RunId,
)

if TYPE_CHECKING:
    from aideator.cli.command import Client
    from aideator.domain.run import ComposedPart, RunDetails

    Continue = Callable[[Client, str], Awaitable[RunDetails]]

app = typer.Typer()


@command(
    app,
    panel=CONTINUE,
    epilog="""
Examples:

- `aideator prompt 3f2a91c0 2 "Also cover negative numbers"`

- `aideator prompt 3f2a91c0 all "Also cover negative numbers"`
""",
)
async def prompt(
    context: CommandContext,
    run_id: RunId,
    number: Annotated[
        str,
        typer.Argument(metavar="VARIATION", help="The variation's number, or `all`."),
    ],
    text: Annotated[
        str, typer.Argument(help="What to do next; `-` reads it from stdin.")
    ],
) -> int:
    """Send a follow-up prompt to one variation, or to all.

    Each continues on its own tree, and gets a new verdict.
    """
    from aideator.cli.parsing import read_text

    if number != "all" and not number.isdecimal():
        raise typer.BadParameter("a number, or all", param_hint="VARIATION")
    chosen = None if number == "all" else int(number)
    follow_up = read_text(text) or ""
    return await _continue(
        context,
        run_id,
        lambda client, found: client.prompt(found, chosen, follow_up),
    )


@command(
    app,
    panel=CONTINUE,
    epilog="""
Examples:

- `aideator add 3f2a91c0`

- `aideator add 3f2a91c0 --model claude-sonnet-5-5
  --instructions "Write the test first."`
""",
)
async def add(  # noqa: PLR0913 - each is a documented option
    context: CommandContext,
    run_id: RunId,
    *,
    agent: Agent = "builtin",
    model: Model = None,
    effort: Effort = None,
    max_turns: MaxTurns = None,
    instructions: Instructions = "",
) -> int:
    """Add one more agent to a run, also while others work."""
    from aideator.cli.parsing import validate
    from aideator.domain.run import AgentSpec

    fields = {
        "agent": agent,
        "model": model,
        "effort": effort,
        "max_turns": max_turns,
        "instructions": instructions,
    }
    spec = validate(AgentSpec, fields)
    return await _continue(
        context, run_id, lambda client, found: client.add(found, spec)
    )


@command(
    app,
    panel=CONTINUE,
    epilog="""
Examples:

- `aideator compose 3f2a91c0 1:reflow.py 3:test_wrap.py`

- `aideator compose 3f2a91c0 1:reflow.py#0,2 3:reflow.py#1` takes hunks of one file,
  counted from 0
""",
)
async def compose(
    context: CommandContext,
    run_id: RunId,
    parts: Annotated[
        list[str],
        typer.Argument(
            metavar="VARIATION:PATH[#HUNKS]…", help="Files, or hunks of files."
        ),
    ],
) -> int:
    """Combine files and hunks of several variations as a new variation.

    It is checked and ranked like every other. No agent works on it.
    """
    chosen = [parse_part(text) for text in parts]
    return await _continue(
        context,
        run_id,
        lambda client, found: client.compose(found, chosen),
        needs_model=False,
    )


@command(
    app,
    panel=CONTINUE,
    json=False,
    epilog="""
Examples:

- `aideator cancel 3f2a91c0`

- `aideator cancel 3f2a91c0 2`
""",
)
async def cancel(
    context: CommandContext, run_id: RunId, number: OptionalNumber = None
) -> None:
    """Cancel a run, or one of its variations."""
    async with context.connect(work=True) as client:
        details = await client.cancel(await client.resolve(run_id), number)
    context.print_line(f"run {details.id[-8:]} is {details.status}")


def parse_part(text: str) -> "ComposedPart":
    """Return a part of a composition, from `VARIATION:PATH` or `VARIATION:PATH#0,2`.

    The numbers behind `#` are hunks of the file, from 0.

    Raises:
        InvalidInput: if the text has another form.
    """
    from aideator.cli.parsing import validate
    from aideator.domain.errors import InvalidInput
    from aideator.domain.run import ComposedPart

    found = re.fullmatch(
        r"(\d{1,3}):(.+?)(?:#(\d{1,5}(?:,\d{1,5})*))?", text, re.DOTALL
    )
    if found is None:
        raise InvalidInput(
            f"{text!r} is not a part of a variation",
            hint="write VARIATION:PATH or VARIATION:PATH#0,2",
        )
    hunks = tuple(map(int, found[3].split(","))) if found[3] else None
    return validate(
        ComposedPart, {"variation_id": int(found[1]), "path": found[2], "hunks": hunks}
    )


async def _continue(
    context: CommandContext,
    part: str,
    action: "Continue",
    *,
    needs_model: bool = True,
) -> int:
    """Apply an action that continues a run, and watch the run to its end."""
    from aideator.cli.follow import watch_and_summarise
    from aideator.cli.parsing import require_model

    if needs_model and context.server_url() is None:
        require_model(context.settings)
    async with context.connect(work=True) as client:
        run_id = await client.resolve(part)
        known = await client.last_seq(run_id)
        await action(client, run_id)
        return await watch_and_summarise(context, client, run_id, after=known)
