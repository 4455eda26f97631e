"""Commands that read: `list`, `show` and `diff`."""

import sys
from typing import Annotated

import typer

from aideator.cli.command import CommandContext, command
from aideator.cli.parameters import VIEW, OptionalNumber, RunId

app = typer.Typer()


@command(
    app,
    "list",
    panel=VIEW,
    epilog="""
Examples:

- `aideator list`

- `aideator list --limit 100 --json | jq -r .[].id`
""",
)
async def list_(
    context: CommandContext,
    *,
    limit: Annotated[int, typer.Option(help="How many.", min=1, max=500)] = 20,
) -> None:
    """List runs, newest first."""
    import json

    from aideator.cli.ui.listing import runs_table

    async with context.connect() as client:
        page = await client.list(limit=limit)
    if context.json:
        runs = [run.model_dump(mode="json") for run in page.runs]
        sys.stdout.write(json.dumps(runs) + "\n")
    elif page.runs:
        context.print(runs_table(page.runs))
    else:
        context.print_line(
            'No runs yet. Start one: aideator run . "…", or see the demo: aideator demo'
        )


@command(
    app,
    panel=VIEW,
    epilog="""
Examples:

- `aideator show 3f2a91c0`

- `aideator show 3f2a91c0 --tests`

- `aideator show 3f2a91c0 --json | jq .ranking.recommended`
""",
)
async def show(
    context: CommandContext,
    run_id: RunId,
    *,
    tests: Annotated[
        bool,
        typer.Option(
            "--tests",
            help="Also show each test that changed or fails, the cross-tests, and"
            " more of what checks printed.",
        ),
    ] = False,
) -> None:
    """Show a run: its variations compared, and the recommendation with its reasons."""
    from aideator.cli.ui.evidence import tables_of_tests
    from aideator.cli.ui.outputs import FEW_LINES, MANY_LINES, outputs_of_checks
    from aideator.cli.ui.summary import print_summary

    async with context.connect() as client:
        details = await client.get(await client.resolve(run_id))
    if context.print_json(details):
        return
    print_summary(context.console, details)
    if details.setup_hosts:
        hosts = [host.removesuffix(":443") for host in details.setup_hosts]
        context.print_line(f"set-up reached {', '.join(hosts)}", style="dim")
    if tests:
        context.print(tables_of_tests(details))
    lines = MANY_LINES if tests else FEW_LINES
    context.print(outputs_of_checks(details, lines=lines))


@command(
    app,
    panel=VIEW,
    json=False,
    epilog="""
Examples:

- `aideator diff 3f2a91c0`

- `aideator diff 3f2a91c0 2 | git apply`
""",
)
async def diff(
    context: CommandContext,
    run_id: RunId,
    number: OptionalNumber = None,
    *,
    no_pager: Annotated[
        bool, typer.Option("--no-pager", help="Print at once, also on a terminal.")
    ] = False,
) -> None:
    """Print a variation's patch.

    Without a number: the winner's, or else the recommended variation's. Renamed files
    are shown as such; `git apply` takes it as it is printed in a pipe. On a terminal a
    pager shows it: that of git (GIT_PAGER, core.pager, PAGER).
    """
    from aideator.changes.shown import show as show_patch
    from aideator.cli.parsing import default_variation
    from aideator.cli.ui.listing import draw_patch
    from aideator.cli.ui.pager import page

    async with context.connect() as client:
        found = await client.resolve(run_id)
        chosen = number or await default_variation(client, found)
        patch = show_patch(await client.patch(found, chosen))
    if not context.console.is_terminal:
        sys.stdout.buffer.write(patch)
        return
    drawn = draw_patch(context.console, patch.decode(errors="replace"))
    if no_pager:
        sys.stdout.write(drawn)
    else:
        page(drawn)
