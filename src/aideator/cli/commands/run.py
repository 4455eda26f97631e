"""`aideator run`: submit a run, watch it, and print the outcome."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aideator.cli.command import CommandContext, command
from aideator.cli.parameters import (
    START,
    Agent,
    Effort,
    Instructions,
    MaxTurns,
    Model,
)

if TYPE_CHECKING:
    from aideator.cli.command import Client
    from aideator.domain.run import RunSpec

app = typer.Typer()

Repository = Annotated[str | None, typer.Argument(help="A local path or an https URL.")]
Prompt = Annotated[
    str | None,
    typer.Argument(help="The task of the agents; `-` reads it from stdin."),
]
Variations = Annotated[
    int, typer.Option("-n", "--variations", help="How many agents work side by side.")
]
Ref = Annotated[
    str | None, typer.Option(help="The branch, tag or commit to start from.")
]
Checks = Annotated[
    list[str] | None,
    typer.Option(help="A command that proves a change, such as a test; repeatable."),
]
NoChecks = Annotated[
    bool, typer.Option("--no-checks", help="Run no checks; nothing is proven then.")
]
Setup = Annotated[
    list[str] | None,
    typer.Option(help="A command that installs what is needed; repeatable."),
]
NoSetup = Annotated[bool, typer.Option("--no-setup", help="Install nothing.")]
AllowHost = Annotated[
    list[str] | None,
    typer.Option(
        help="A host that set-up may reach besides the registries; repeatable."
    ),
]
Protected = Annotated[
    list[str] | None,
    typer.Option(help="A path (glob) that a change must not touch; repeatable."),
]
Reruns = Annotated[
    int | None,
    typer.Option(
        help="How often a test that failed or is new is repeated; 2 when absent."
    ),
]
NoCrossTests = Annotated[
    bool,
    typer.Option(
        "--no-cross-tests", help="Do not run one variation's tests on the others."
    ),
]
RunBudget = Annotated[float | None, typer.Option(help="US dollars for the whole run.")]
VariationBudget = Annotated[
    float | None, typer.Option(help="US dollars for each variation.")
]
Fresh = Annotated[
    bool, typer.Option("--fresh", help="Do not reuse an earlier decision.")
]
KeepGoing = Annotated[
    bool,
    typer.Option(
        "--keep-going",
        help="Go on without a check that cannot run on the base; it proves nothing.",
    ),
]
Spec = Annotated[
    Path | None,
    typer.Option(help="A YAML file with the submission, instead of the options."),
]
Detach = Annotated[
    bool,
    typer.Option("--detach", help="Print the run's id and return; needs a server."),
]


@command(
    app,
    panel=START,
    epilog="""
Examples:

- `aideator run . "Fix the failing date test" -n 3`

- `aideator run https://github.com/user/repo "Add a --json flag" --check "pytest -q"
  --budget 2`

- `aideator run . "Speed up the parser" --setup "npm ci" --check "npm test"
  --protect "bench/**"`

- `aideator run --spec run.yaml --json | jq .body.kind`

Exit code: 0 a variation is recommended, 1 the run failed, 2 wrong input, 3 cannot tell,
4 cancelled, 130 interrupted.
""",
)
async def run(  # noqa: PLR0913 - each is a documented option
    context: CommandContext,
    repo: Repository = None,
    prompt: Prompt = None,
    *,
    number: Variations = 3,
    ref: Ref = None,
    check: Checks = None,
    no_checks: NoChecks = False,
    setup: Setup = None,
    no_setup: NoSetup = False,
    allow_host: AllowHost = None,
    protect: Protected = None,
    reruns: Reruns = None,
    no_cross_tests: NoCrossTests = False,
    agent: Agent = "builtin",
    model: Model = None,
    effort: Effort = None,
    max_turns: MaxTurns = None,
    instructions: Instructions = "",
    budget: RunBudget = None,
    variation_budget: VariationBudget = None,
    fresh: Fresh = False,
    keep_going: KeepGoing = False,
    spec: Spec = None,
    detach: Detach = False,
) -> int:
    """Run N agents on a repository, check what each did, and recommend one."""
    from aideator.cli.parsing import read_spec, read_text, repository_or_here

    repo, prompt = repository_or_here(repo, prompt)
    settings = {
        "model": model,
        "effort": effort,
        "max_turns": max_turns,
        "instructions": instructions,
    }
    comparison = {"cross_tests": not no_cross_tests, "reruns": reruns}
    options: dict[str, Any] = {
        "repo_url": repo,
        "prompt": read_text(prompt),
        "variations": number,
        "ref": ref,
        "checks": _commands(check, none=no_checks),
        "setup": _commands(setup, none=no_setup),
        "allowed_hosts": [host.lower() for host in allow_host or ()],
        "protected": protect or None,
        "budget": {"run_usd": budget, "variation_usd": variation_budget},
        "fresh": fresh,
        "keep_going": keep_going,
        "comparison": {k: v for k, v in comparison.items() if v is not None},
    }
    if agent == "builtin":
        options["agent_config"] = settings
    else:
        options["lineup"] = [{"agent": agent, **settings}] * number
    return await _submit(context, read_spec(options, spec), detach=detach)


def _commands(given: list[str] | None, *, none: bool) -> list[dict[str, Any]] | None:
    """Return commands as a submission has them; null leaves them to the repository."""
    if none:
        return []
    return [{"command": text} for text in given] if given else None


async def _submit(context: CommandContext, spec: "RunSpec", *, detach: bool) -> int:
    from aideator.cli.exit import ExitCode
    from aideator.cli.parsing import require_model
    from aideator.domain.errors import InvalidInput

    if context.server_url() is None:
        require_model(context.settings)
        if detach:
            raise InvalidInput(
                "--detach needs a server that continues the run",
                hint="start one: `aideator serve`",
            )
    async with context.connect(work=True) as client:
        run_id = await _start(client, spec)
        if detach:
            sys.stdout.write(f"{run_id}\n")
            return ExitCode.RECOMMENDED
        return await _watch_or_cancel(context, client, run_id)


async def _start(client: "Client", spec: "RunSpec") -> str:
    import asyncio

    # Shielded, so that a Ctrl-C during the submission finds a run to stop, or nothing.
    submission = asyncio.ensure_future(client.submit(spec, local=True))
    try:
        return (await asyncio.shield(submission)).id
    except asyncio.CancelledError:
        await _cancel(client, (await submission).id)
        raise


async def _watch_or_cancel(
    context: CommandContext, client: "Client", run_id: str
) -> int:
    """Watch a run to its end. Ctrl-C, or a reader that goes away, cancels it."""
    import asyncio

    from aideator.cli.exit import exit_code_of
    from aideator.cli.follow import watch
    from aideator.cli.ui.summary import print_outcome

    if not context.json:
        context.print_line(f"run {run_id}", style="dim")
    try:
        details = await watch(context, client, run_id)
    except (asyncio.CancelledError, BrokenPipeError):
        await _cancel(client, run_id)
        raise
    if not context.json:
        print_outcome(context.console, details)
    return exit_code_of(details)


async def _cancel(client: "Client", run_id: str) -> None:
    sys.stderr.write("stopping the agents …\n")
    await client.cancel(run_id)
    sys.stderr.write(
        f"cancelled; the results so far are kept: aideator show {run_id[-8:]}\n"
    )
