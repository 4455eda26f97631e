"""`aideator demo`: the main job on a small project, with a scripted model in place of a paid one.

The scripted model is a process of its own, at the far end of the network, as a provider
would be. Gateway, agents, sandboxes, checks and ranking are the real ones.
"""

import shutil

from rich.console import Console

from aideator.app import open_app
from aideator.app.commit_message import commit_message
from aideator.app.demo import make_project, scripted_model
from aideator.changes.branch import apply_to_checkout
from aideator.cli.connect import Door
from aideator.cli.ui.watch import choose_output, exit_code, show, watch
from aideator.store.home import make_home


async def demo(door: Door) -> int:
    """Let three scripted agents fix a bug, keep the recommended change on a branch, and say what is real."""
    settings, console = door.settings, door.console
    home = make_home(settings.aideator_home) / "demo"
    repo = home / "project"
    shutil.rmtree(repo, ignore_errors=True)
    home.mkdir(exist_ok=True, mode=0o711)
    if not door.json:
        _say_what_is_real(console, key_is_set=settings.anthropic_api_key is not None)
    spec = (await make_project(repo)).model_copy(update={"fresh": True})
    async with scripted_model() as url:
        scripted = settings.model_copy(
            update={
                "aideator_home": home,
                "database_url": None,
                "anthropic_base_url": url,
                "anthropic_api_key": None,
            },
        )
        async with open_app(scripted) as app:
            run = await app.submit(spec, local=True)
            details = await watch(
                app, run.id, console, choose_output(console, json=door.json)
            )
            best = details.ranking.recommended if details.ranking else None
            if best is not None:
                details = await app.select(run.id, best, "recommended")
                patch = await app.patch(run.id, best)
    if best is not None:
        branch = f"aideator/{run.id[-8:]}-{best}"
        message = commit_message(details, best)
        await apply_to_checkout(
            repo, base=details.commit or "", patch=patch, branch=branch, message=message
        )
    if not door.json:
        show(console, details)
        console.print(
            f"\nThe winner is kept on a branch: git -C {repo} log --oneline --all",
            highlight=False,
        )
        console.print(
            f"Look closer: AIDEATOR_HOME={home} aideator diff {run.id[-8:]}",
            style="dim",
            highlight=False,
        )
    return exit_code(details)


def _say_what_is_real(console: Console, *, key_is_set: bool) -> None:
    why = (
        "so that the demo costs nothing"
        if key_is_set
        else "because no ANTHROPIC_API_KEY is set"
    )
    console.print(
        f"[bold]AIdeator demo[/] · the model is [bold]scripted[/], {why}.",
        highlight=False,
    )
    console.print(
        "Agents, sandboxes, gateway, tests and ranking are real.\n",
        style="dim",
        highlight=False,
    )
