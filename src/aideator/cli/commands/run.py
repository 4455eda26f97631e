"""`aideator run`: submit a run, watch it, and print the outcome."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aideator.cli.command import CommandContext, command
from aideator.cli.parameters import (
    REPOSITORY,
    START,
    Agent,
    Effort,
    Folder,
    Instructions,
    MaxTurns,
    Model,
    Yes,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from aideator.client.remote import AsyncClient
    from aideator.domain.run import RunSpec

    Cancel = Callable[[AsyncClient, str], Awaitable[None]]

app = typer.Typer()

Repository = Annotated[str | None, typer.Argument(help=REPOSITORY)]
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
CheckTimeout = Annotated[
    float | None,
    typer.Option(
        min=1,
        max=3600,
        metavar="SECONDS",
        help="Stop each check after this time, instead of after its own limit.",
    ),
]
KeepGoing = Annotated[
    bool,
    typer.Option(
        "--keep-going",
        help="Go on without a check that cannot run on the base; it proves nothing.",
    ),
]
Uncommitted = Annotated[
    bool,
    typer.Option(
        "--include-uncommitted",
        help="Begin with the files as they are in your folder, committed or not.",
    ),
]
Ignored = Annotated[
    bool | None,
    typer.Option(
        "--include-ignored/--no-include-ignored",
        help="Let sandboxes see the ignored files that .worktreeinclude names, such as"
        " .env; asked once where it is not said.",
    ),
]
Spec = Annotated[
    Path | None,
    typer.Option(help="A YAML file with the submission, instead of the options."),
]
Detach = Annotated[
    bool,
    typer.Option(
        "--detach", help="Print the run's id and return; the server carries it out."
    ),
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

- `aideator run packages/app "Cache the parsed files"`

- `aideator run https://github.com/user/repo/issues/7`

- `aideator run --spec run.yaml --json | jq .body.kind`

Ctrl-C asks whether to stop the run or to leave it working; with `-y`, or without a
terminal, it stops it. A closed terminal leaves it working: `aideator watch` comes back.

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
    path: Folder = "",
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
    check_timeout: CheckTimeout = None,
    keep_going: KeepGoing = False,
    include_uncommitted: Uncommitted = False,
    include_ignored: Ignored = None,
    spec: Spec = None,
    detach: Detach = False,
    yes: Yes = False,
) -> int:
    """Run N agents on a repository, check what each did, and recommend one."""
    from aideator.cli.parsing import read_spec, read_text, repository_or_here
    from aideator.cli.working_tree import consider_working_tree

    repo, prompt = repository_or_here(repo, prompt)
    settings: dict[str, Any] = {"model": model, "effort": effort}
    settings |= {"max_turns": max_turns, "instructions": instructions}
    options: dict[str, Any] = {
        "repo_url": repo,
        "prompt": read_text(prompt),
        "variations": number,
        "ref": ref,
        "path": path,
        "checks": _commands(check, none=no_checks),
        "setup": _commands(setup, none=no_setup),
        "allowed_hosts": [host.lower() for host in allow_host or ()],
        "protected": protect or None,
        "budget": {"run_usd": budget, "variation_usd": variation_budget},
        "fresh": fresh,
        "check_timeout": check_timeout,
        "keep_going": keep_going,
        "include_uncommitted": include_uncommitted,
        "comparison": _given(cross_tests=not no_cross_tests, reruns=reruns),
    } | _lineup(agent, settings, number)
    options |= await _location(context, options) if repo and not spec else {}
    asked = read_spec(options, spec)
    asked = await consider_working_tree(context, asked, include_ignored=include_ignored)
    return await _submit(context, asked, detach=detach, yes=yes)


def _given(**fields: object) -> dict[str, object]:
    """Return the fields that were given."""
    return {name: value for name, value in fields.items() if value is not None}


async def _location(context: CommandContext, options: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of a submission that what was typed as the repository names."""
    from aideator.cli.parsing import read_location
    from aideator.repositories.address import read_address

    if read_address(options["repo_url"]) is None:
        return {}  # `read_spec` finds a path's repository
    found = await read_location(
        context, options["repo_url"], options["ref"], options["path"]
    )
    fields = {"repo_url": found.repo_url, "ref": found.ref, "path": found.path}
    if not found.prompt:
        return fields
    from aideator.app.addresses import join_prompts

    if not context.json:
        context.print_line(f"the prompt has the issue's words: {found.title}")
    prompt = join_prompts(options["prompt"] or "", found.prompt)
    return fields | {"prompt": prompt}


def _lineup(agent: str, settings: dict[str, Any], number: int) -> dict[str, Any]:
    """Return the fields of a submission that say which agents work."""
    if agent == "builtin":
        return {"agent_config": settings}
    return {"lineup": [{"agent": agent, **settings}] * number}


def _commands(given: list[str] | None, *, none: bool) -> list[dict[str, Any]] | None:
    """Return commands as a submission has them; null leaves them to the repository."""
    if none:
        return []
    return [{"command": text} for text in given] if given else None


async def _submit(
    context: CommandContext, spec: "RunSpec", *, detach: bool, yes: bool
) -> int:
    from aideator.cli.attend import attend, cancel, page_of
    from aideator.cli.exit import ExitCode

    async with context.connect(stays=detach) as client:
        run_id = await _start(client, spec, cancel)
        page = page_of(context, run_id)
        if detach:
            sys.stderr.write(f"{page}\n" if page else "")
            sys.stdout.write(f"{run_id}\n")
            return ExitCode.RECOMMENDED
        if not context.json:
            context.print_line(f"run {run_id}", style="dim")
            if page:
                context.print_line(f"page: {page}", style="dim")
        return await attend(context, client, run_id, yes=yes)


async def _start(client: "AsyncClient", spec: "RunSpec", cancel: "Cancel") -> str:
    import asyncio

    # Shielded, so that a Ctrl-C during the submission finds a run to stop, or nothing.
    submission = asyncio.ensure_future(client.submit(spec))
    try:
        return (await asyncio.shield(submission)).id
    except asyncio.CancelledError:
        await cancel(client, (await submission).id)
        raise
