"""Commands that read: `list`, `show` and `diff`."""

import sys
from typing import Annotated, Any

import typer

from aideator.cli.command import CommandContext, command
from aideator.cli.parameters import VIEW, OptionalNumber, RunId

app = typer.Typer()
_PAGE = 200
"""The most runs that the server lists at once."""


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
def list_(
    context: CommandContext,
    *,
    limit: Annotated[int, typer.Option(help="How many.", min=1, max=500)] = 20,
) -> None:
    """List runs, newest first."""
    import json

    from aideator.cli.ui.listing import runs_table

    runs = _newest_runs(context, limit)
    if context.json:
        sys.stdout.write(json.dumps(runs) + "\n")
        return
    if not runs:
        context.print_line(
            'No runs yet. Start one: aideator run . "…", or see the demo: aideator demo'
        )
        return
    context.print(runs_table(runs))
    _say_what_waits(context, runs)


def _newest_runs(context: CommandContext, limit: int) -> list[dict[str, Any]]:
    runs: list[dict[str, Any]] = []
    query = ""
    while len(runs) < limit:
        wanted = min(limit - len(runs), _PAGE)
        page = context.read_json(f"/runs?limit={wanted}{query}")
        runs += page["runs"]
        if page["next"] is None:
            break
        query = f"&cursor={page['next']}"
    return runs


def _say_what_waits(context: CommandContext, runs: list[dict[str, Any]]) -> None:
    """Say how to come back to runs that work, and to those that were interrupted."""
    steps = {
        "running": "works in the server: aideator watch {}",
        "queued": "waits in the server: aideator watch {}",
        "interrupted": "was interrupted: aideator resume {0}, or aideator cancel {0}",
    }
    for run in runs:
        if step := steps.get(run["status"]):
            short = run["id"][-8:]
            context.print_line(f"{short} {step.format(short)}", style="dim")


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
