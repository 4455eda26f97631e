"""`aideator demo`: a run on a small project, with a scripted model, not a paid one.

The scripted model is a process of its own at the far end of the network, as a provider
is. Gateway, agents, sandboxes, checks and ranking are the real ones.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from aideator.cli.command import CommandContext, command
from aideator.cli.parameters import START

if TYPE_CHECKING:
    from aideator.domain.run import RunDetails, RunSpec
    from aideator.settings import Settings

app = typer.Typer()


@command(
    app,
    panel=START,
    server=False,
    epilog="""
Examples:

- `aideator demo`

- `aideator demo --json | jq .body.kind`
""",
)
async def demo(context: CommandContext) -> int:
    """Watch three agents fix a bug, one of them badly.

    It needs no API key: the model is scripted, all else is real.
    """
    import shutil

    from aideator.app.demo import make_project, scripted_model
    from aideator.cli.exit import exit_code_of
    from aideator.cli.ui.summary import print_summary
    from aideator.sandbox.base import sandbox_uid
    from aideator.store.home import make_home

    outer = make_home(context.settings.aideator_home, group=sandbox_uid())
    home = make_home(outer / "demo", group=sandbox_uid())
    repo = home / "project"
    shutil.rmtree(repo, ignore_errors=True)
    if not context.json:
        _print_what_is_real(context)
    spec = (await make_project(repo)).model_copy(update={"fresh": True})
    async with scripted_model() as url:
        details = await _run(context, _settings(context.settings, home, url), spec)
    if not context.json:
        print_summary(context.console, details)
        _print_where_it_is(context, details, home, repo)
    return exit_code_of(details)


def _settings(settings: "Settings", home: Path, model_url: str) -> "Settings":
    return settings.model_copy(
        update={
            "aideator_home": home,
            "database_url": None,
            "anthropic_base_url": model_url,
            "anthropic_api_key": None,
        }
    )


async def _run(
    context: CommandContext, settings: "Settings", spec: "RunSpec"
) -> "RunDetails":
    """Run the demo, and keep the recommended change on a branch of its project."""
    from aideator.app import open_app
    from aideator.app.commit_message import commit_message
    from aideator.changes.branch import apply_to_checkout
    from aideator.cli.follow import watch

    async with open_app(settings) as app:
        run = await app.submit(spec, local=True, own=True)
        details = await watch(context, app, run.id)
        best = details.recommended
        if best is None:
            return details
        details = await app.select(run.id, best, "recommended")
        patch = await app.patch(run.id, best)
    await apply_to_checkout(
        Path(spec.repo_url),
        base=details.commit or "",
        patch=patch,
        branch=f"aideator/{run.id[-8:]}-{best}",
        message=commit_message(details, best),
    )
    return details


def _print_what_is_real(context: CommandContext) -> None:
    from rich.text import Text

    key_is_set = context.settings.anthropic_api_key is not None
    reason = (
        "so that the demo costs nothing"
        if key_is_set
        else "because no ANTHROPIC_API_KEY is set"
    )
    context.print(
        Text.assemble(
            ("AIdeator demo", "bold"),
            " · the model is ",
            ("scripted", "bold"),
            f", {reason}.",
        )
    )
    context.print_line(
        "Agents, sandboxes, gateway, tests and ranking are real.\n", style="dim"
    )


def _print_where_it_is(
    context: CommandContext, details: "RunDetails", home: Path, repo: Path
) -> None:
    if details.winner is not None:
        context.print_line(
            f"\nThe winner is on a branch: git -C {repo} log --oneline --all"
        )
    context.print_line(
        f"See more: AIDEATOR_HOME={home} aideator diff {details.id[-8:]}", style="dim"
    )
