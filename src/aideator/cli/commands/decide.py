"""Commands that decide a run: `select`, `undo`, `clear` and `apply`."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aideator.cli.command import CommandContext, command
from aideator.cli.parameters import DECIDE, Number, OptionalNumber, RunId

if TYPE_CHECKING:
    from aideator.changes.branch import Applied

app = typer.Typer()


@command(
    app,
    panel=DECIDE,
    epilog="""
Examples:

- `aideator select 3f2a91c0 2`

- `aideator select 3f2a91c0 2 --reason "Reads best"`
""",
)
async def select(
    context: CommandContext,
    run_id: RunId,
    number: OptionalNumber = None,
    *,
    reason: Annotated[str, typer.Option(help="Why; kept with the decision.")] = "",
) -> None:
    """Select a variation as the winner. Without a number, say which are equal."""
    from aideator.cli.parsing import no_single_one

    async with context.connect() as client:
        found = await client.resolve(run_id)
        if number is None:
            raise no_single_one(await client.get(found), "select")
        details = await client.select(found, number, reason)
    if context.print_json(details):
        return
    short = found[-8:]
    context.print_line(f"Variation {number} is the winner of run {short}.")
    context.print_line(
        f"next: aideator publish {short}, or in your checkout: aideator apply {short}",
        style="dim",
    )


@command(app, panel=DECIDE, epilog="Example: `aideator undo 3f2a91c0`")
async def undo(context: CommandContext, run_id: RunId) -> None:
    """Undo the selection of a winner, unless the winner was published."""
    async with context.connect() as client:
        details = await client.deselect(await client.resolve(run_id))
    if not context.print_json(details):
        context.print_line(
            f"Run {details.id[-8:]} ({details.status}) has no winner now."
        )


@command(
    app,
    panel=DECIDE,
    epilog='Example: `aideator clear 3f2a91c0 2 "The old expectation was wrong, #12"`',
)
async def clear(
    context: CommandContext,
    run_id: RunId,
    number: Number,
    reason: Annotated[
        str,
        typer.Argument(
            help="Why the flagged changes are acceptable; kept with the variation."
        ),
    ],
) -> None:
    """Clear a variation's flags, so that it can be recommended."""
    from aideator.cli.ui.summary import print_summary

    async with context.connect() as client:
        found = await client.resolve(run_id)
        details = await client.clear(found, number, reason)
    if not context.print_json(details):
        print_summary(context.console, details)


@command(
    app,
    panel=DECIDE,
    json=False,
    epilog="Example: `cd my/checkout && aideator apply 3f2a91c0 2 --branch fix-dates`",
)
async def apply(
    context: CommandContext,
    run_id: RunId,
    number: OptionalNumber = None,
    *,
    repo: Annotated[
        Path, typer.Option(help="Your checkout.", file_okay=False)
    ] = Path(),
    branch: Annotated[
        str | None,
        typer.Option(help="The new branch; aideator/RUN-VARIATION when absent."),
    ] = None,
    branch_only: Annotated[
        bool,
        typer.Option(
            "--branch-only", help="Make the branch, and leave HEAD and files alone."
        ),
    ] = False,
) -> None:
    """Commit a variation's change on a new branch of your checkout, and switch to it.

    Without a number: the winner's, or else the recommended variation's. The working
    tree must be clean, unless HEAD stays where it is. Applying the same change again
    changes nothing. The commit is signed if your git signs commits. Hooks do not run:
    in a tree that an agent has changed they may be its code.
    """
    from aideator.app.commit_message import commit_message
    from aideator.changes.branch import apply_to_checkout
    from aideator.cli.parsing import default_variation

    async with context.connect() as client:
        found = await client.resolve(run_id)
        chosen = number or await default_variation(client, found, verb="apply")
        details, patch = await client.get(found), await client.patch(found, chosen)
    name = branch or f"aideator/{found[-8:]}-{chosen}"
    applied = await apply_to_checkout(
        repo,
        base=details.commit or "",
        patch=patch,
        branch=name,
        message=commit_message(details, chosen),
        switch=not branch_only,
    )
    _print_applied(context, applied, name, chosen, repo)


def _print_applied(
    context: CommandContext, applied: "Applied", branch: str, number: int, repo: Path
) -> None:
    """Say where the change is, where HEAD is now and how to go back."""
    has = "has" if applied.is_new else "has already"
    context.print_line(
        f"Branch {branch} {has} the change of variation {number},"
        f" commit {applied.commit[:12]}{', signed' if applied.signed else ''}."
    )
    if applied.left is None:
        context.print_line("HEAD, index and files are as they were.")
    else:
        where = "" if repo == Path() else f" -C {shlex.quote(str(repo))}"
        options = "--detach " if applied.was_detached else ""
        back = f"git{where} switch {options}{shlex.quote(applied.left)}"
        context.print_line(f"HEAD is on {branch} now; to go back: {back}")
    if applied.hooks:
        context.print_line(
            f"Hooks of your checkout that did not run: {', '.join(applied.hooks)}"
        )
