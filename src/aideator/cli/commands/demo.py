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

    It needs no API key: the model is scripted, all else is real. It has a server and a
    state directory of its own.
    """
    import asyncio
    import dataclasses

    from aideator.cli.exit import exit_code_of
    from aideator.cli.ui.summary import print_outcome
    from aideator.environment import home_of

    home = home_of(context.variables).absolute() / "demo"
    own = {"AIDEATOR_HOME": str(home), "DATABASE_URL": ""}
    inner = dataclasses.replace(context, variables=context.variables | own)
    try:
        details = await _run(inner)
        if not context.json:
            steps = _steps(inner, details, home)
            print_outcome(context.console, details, simulated=True, steps=steps)
    finally:
        await asyncio.to_thread(inner.close)
    return exit_code_of(details)


async def _run(context: CommandContext) -> "RunDetails":
    """Run the demo, and keep the recommended change on a branch of its project."""
    import asyncio

    from aideator.app.commit_message import commit_message
    from aideator.changes.branch import apply_to_checkout
    from aideator.cli.attend import cancel
    from aideator.cli.follow import watch

    async with context.connect() as client:
        run_id = (await client.call("POST", "/demo"))["run_id"]
        details = await client.get(run_id)
        if not context.json:
            _print_task(context, details.spec)
        try:
            details = await watch(context, client, run_id)
        except (asyncio.CancelledError, OSError):
            await cancel(client, run_id)
            raise
        best = details.recommended
        if best is None:
            return details
        patch = await client.patch(run_id, best)
    await apply_to_checkout(
        Path(details.spec.repo_url),
        base=details.commit or "",
        patch=patch,
        branch=f"aideator/{run_id[-8:]}-{best}",
        message=commit_message(details, best),
    )
    return details


def _print_task(context: CommandContext, spec: "RunSpec") -> None:
    """Say what the agents are asked, and what of it all is real."""
    from rich.padding import Padding
    from rich.text import Text

    from aideator.cli.ui.escape import escape

    key_is_set = bool(context.variables.get("ANTHROPIC_API_KEY"))
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

    from aideator.cli.attend import page_of
    from aideator.cli.ui.next_steps import equals
    from aideator.cli.ui.program import program
    from aideator.domain.run import RunStatus

    here = f"AIDEATOR_HOME={shlex.quote(str(home))} {program()}"
    run = details.id[-8:]
    if details.status is RunStatus.FAILED:
        return [f"{here} show {run}"]
    best = details.recommended
    compared = equals(details) or ((best,) if best is not None else ())
    page = [f"open {page_of(context, details.id)}"]
    if not context.has_terminal:  # the demo's server ends with it
        port = context.variables.get("AIDEATOR_PORT") or "8000"
        page = [f"{here} serve", f"open http://127.0.0.1:{port}/runs/{details.id}"]
    return [
        *(f"{here} diff {run} {number}" for number in compared[:1]),
        *page,
        f'cd my/project && {_absolute(program())} run . "Add CI"',
    ]


def _absolute(name: str) -> str:
    """Return a path to the program that holds in other directories too."""
    return str(Path(name).resolve()) if "/" in name else name
