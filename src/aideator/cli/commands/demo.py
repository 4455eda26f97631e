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
    from aideator.cli.ui.summary import print_outcome
    from aideator.sandbox.base import sandbox_uid
    from aideator.store.home import make_home

    outer = make_home(context.settings.aideator_home, group=sandbox_uid())
    home = make_home(outer / "demo", group=sandbox_uid())
    repo = home / "project"
    shutil.rmtree(repo, ignore_errors=True)
    spec = (await make_project(repo)).model_copy(update={"fresh": True})
    if not context.json:
        _print_task(context, spec)
    async with scripted_model() as url:
        details = await _run(context, _settings(context.settings, home, url), spec)
    if not context.json:
        steps = _steps(context, details, home)
        print_outcome(context.console, details, simulated=True, steps=steps)
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
        run = await app.submit(spec, local=True)
        details = await watch(context, app, run.id)
        best = details.recommended
        if best is None:
            return details
        patch = await app.patch(run.id, best)
    await apply_to_checkout(
        Path(spec.repo_url),
        base=details.commit or "",
        patch=patch,
        branch=f"aideator/{run.id[-8:]}-{best}",
        message=commit_message(details, best),
    )
    return details


def _print_task(context: CommandContext, spec: "RunSpec") -> None:
    """Say what the agents are asked, and what of it all is real."""
    from rich.padding import Padding
    from rich.text import Text

    from aideator.cli.ui.escape import escape

    key_is_set = context.settings.anthropic_api_key is not None
    reason = "so that it costs nothing" if key_is_set else "which needs no key"
    context.print(
        Text.assemble(
            ("AIdeator demo", "bold"),
            f": {spec.variations} agents, each in a sandbox, get this task:",
        )
    )
    prompt = Text(escape(spec.prompt), style="italic")
    context.print(Padding(prompt, (0, 2)))
    context.print(
        Text.assemble(
            "The model is ",
            ("scripted", "bold"),
            f", {reason}: costs are simulated. Agents, sandboxes, gateway, tests and "
            "ranking are real.\n",
        )
    )


def _steps(context: CommandContext, details: "RunDetails", home: Path) -> list[str]:
    """Return what to do after the demo, each as it works in this shell."""
    import shlex

    from aideator.cli.ui.next_steps import equals
    from aideator.cli.ui.program import program
    from aideator.domain.run import RunStatus

    here = f"AIDEATOR_HOME={shlex.quote(str(home))} {program()}"
    run, settings = details.id[-8:], context.settings
    if details.status is RunStatus.FAILED:
        return [f"{here} show {run}"]
    best = details.recommended
    compared = equals(details) or ((best,) if best is not None else ())
    page = f"http://{settings.aideator_host}:{settings.aideator_port}/runs/{details.id}"
    return [
        *(f"{here} diff {run} {number}" for number in compared[:1]),
        f"{here} serve",
        f"open {page}",
        f'cd my/project && {_absolute(program())} run . "Add CI"',
    ]


def _absolute(name: str) -> str:
    """Return a path to the program that holds in other directories too."""
    return str(Path(name).resolve()) if "/" in name else name
