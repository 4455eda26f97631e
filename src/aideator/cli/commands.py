"""The commands.

Each parses, calls the façade and renders; what is heavy is imported when it is needed.
"""

import sys
from pathlib import Path
from typing import Annotated

import typer

from aideator import __version__
from aideator.cli import decisions
from aideator.cli.options import (
    ASK,
    LOOK,
    SERVE,
    Json,
    Number,
    RunId,
    Server,
    run_command,
)
from aideator.optional import load

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    help="**N coding agents in, one proven change out.**",
    epilog="Try it without a key: `aideator demo`. What this machine lacks: `aideator doctor`.",
)
keys = typer.Typer(no_args_is_help=True, help="API keys for `aideator serve`.")
app.add_typer(keys, name="key", rich_help_panel=SERVE)
app.add_typer(decisions.app)


def _version(wanted: bool) -> None:  # noqa: FBT001 - typer's callback protocol
    if wanted:
        typer.echo(f"aideator {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    *,
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            callback=_version,
            is_eager=True,
            help="Show the version and exit.",
        ),
    ] = False,
) -> None:
    pass


@app.command(
    rich_help_panel=ASK,
    epilog="""
Examples:

- `aideator run . "Fix the failing date test" -n 3`

- `aideator run https://github.com/user/repo "Add a --json flag" --check "pytest -q" --budget 2`

- `aideator run . "Speed up the parser" --setup "npm ci" --check "npm test" --protect "bench/**"`

- `aideator run --spec run.yaml --json | jq .body.kind`

Exit code: 0 a variation is recommended, 1 the run failed, 2 wrong input, 3 cannot tell, 4 cancelled, 130 interrupted.
""",
)
def run(  # noqa: PLR0913 - each is a documented option
    repo: Annotated[
        str | None, typer.Argument(help="A local path or an https URL.")
    ] = None,
    prompt: Annotated[
        str | None,
        typer.Argument(help="What the agents shall do; `-` reads it from stdin."),
    ] = None,
    *,
    number: Annotated[
        int,
        typer.Option("-n", "--variations", help="How many agents work side by side."),
    ] = 3,
    ref: Annotated[
        str | None, typer.Option(help="Branch, tag or commit to start from.")
    ] = None,
    check: Annotated[
        list[str] | None,
        typer.Option(help="A command that proves a change; repeatable."),
    ] = None,
    no_checks: Annotated[
        bool, typer.Option("--no-checks", help="Run no checks; nothing is proven then.")
    ] = False,
    setup: Annotated[
        list[str] | None,
        typer.Option(help="A command that installs what is needed; repeatable."),
    ] = None,
    no_setup: Annotated[
        bool, typer.Option("--no-setup", help="Install nothing.")
    ] = False,
    protect: Annotated[
        list[str] | None,
        typer.Option(help="A path that a change must leave alone; a glob."),
    ] = None,
    reruns: Annotated[
        int | None,
        typer.Option(
            help="How often a test that failed or is new is run again; 2 when absent."
        ),
    ] = None,
    no_cross_tests: Annotated[
        bool,
        typer.Option(
            "--no-cross-tests", help="Do not run one variation's tests on the others."
        ),
    ] = False,
    agent: Annotated[str, typer.Option(help="A row of the catalogue.")] = "builtin",
    model: Annotated[
        str | None, typer.Option(help="The model, as its provider names it.")
    ] = None,
    effort: Annotated[
        str | None, typer.Option(help="low, medium, high, xhigh or max.")
    ] = None,
    max_turns: Annotated[
        int | None, typer.Option(help="Model calls after which an agent stops.")
    ] = None,
    instructions: Annotated[
        str, typer.Option(help="A strategy, added to the agent's own instructions.")
    ] = "",
    budget: Annotated[
        float | None, typer.Option(help="US dollars for the whole run.")
    ] = None,
    variation_budget: Annotated[
        float | None, typer.Option(help="US dollars for each variation.")
    ] = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Do not answer with an earlier decision.")
    ] = False,
    spec: Annotated[
        Path | None,
        typer.Option(help="A YAML file with the submission, instead of the options."),
    ] = None,
    detach: Annotated[
        bool, typer.Option("--detach", help="Return at once (with a server).")
    ] = False,
    json: Json = False,
    server: Server = None,
) -> None:
    """Let N agents work on a repository, prove what each did, and recommend one."""
    from aideator.cli.submit import submit

    options = {
        "repo_url": repo,
        "prompt": sys.stdin.read() if prompt == "-" else prompt,
        "variations": number,
        "ref": ref,
        "checks": []
        if no_checks
        else [{"command": command} for command in check]
        if check
        else None,
        "setup": []
        if no_setup
        else [{"command": command} for command in setup]
        if setup
        else None,
        "protected": protect or None,
        "budget": {"run_usd": budget, "variation_usd": variation_budget},
        "fresh": fresh,
        "comparison": {"cross_tests": not no_cross_tests}
        | ({} if reruns is None else {"reruns": reruns}),
    }
    settings = {
        "model": model,
        "effort": effort,
        "max_turns": max_turns,
        "instructions": instructions,
    }
    options |= (
        {"lineup": [{"agent": agent, **settings}] * number}
        if agent != "builtin"
        else {"agent_config": settings}
    )
    run_command(
        lambda door: submit(door, options, spec, detach=detach),
        server=server,
        json=json,
    )


@app.command(
    rich_help_panel=ASK,
    epilog="Example: `aideator inspect . --json | jq -r .setup[].command`",
)
def inspect(
    repo: Annotated[str, typer.Argument(help="A local path or an https URL.")] = ".",
    *,
    ref: Annotated[str | None, typer.Option(help="Branch, tag or commit.")] = None,
    json: Json = False,
    server: Server = None,
) -> None:
    """Say how a repository would be set up and checked, and where that is from.

    Nothing of it runs.
    """
    from aideator.cli import reading

    run_command(
        lambda door: reading.inspect_repository(door, repo, ref),
        server=server,
        json=json,
    )


@app.command(
    rich_help_panel=LOOK,
    epilog="""
Examples:

- `aideator watch 3f2a91c0`

- `aideator watch 3f2a91c0 --speed 4` replays a run four times as fast as it was
""",
)
def watch(
    run_id: RunId,
    *,
    speed: Annotated[
        float | None,
        typer.Option(
            help="Replay with the pauses that there were, so many times as fast.",
            min=0.01,
        ),
    ] = None,
    json: Json = False,
    server: Server = None,
) -> None:
    """Follow a run live, from its beginning. Ctrl-C stops watching, not the run."""
    from aideator.cli import reading

    run_command(
        lambda door: reading.watch_run(door, run_id, speed=speed),
        server=server,
        json=json,
    )


@app.command("list", rich_help_panel=LOOK)
def list_(
    *,
    limit: Annotated[int, typer.Option(help="How many.", min=1, max=500)] = 20,
    json: Json = False,
    server: Server = None,
) -> None:
    """Show runs, newest first."""
    from aideator.cli import reading

    run_command(
        lambda door: reading.list_runs(door, limit=limit), server=server, json=json
    )


@app.command(
    rich_help_panel=LOOK,
    epilog="Examples: `aideator show 3f2a91c0`, `aideator show 3f2a91c0 --tests`",
)
def show(
    run_id: RunId,
    *,
    tests: Annotated[
        bool,
        typer.Option(
            "--tests", help="Also each test that changed or fails, and the cross-tests."
        ),
    ] = False,
    json: Json = False,
    server: Server = None,
) -> None:
    """Show a run: its variations compared, and the recommendation with its reasons."""
    from aideator.cli import reading

    run_command(
        lambda door: reading.show_run(door, run_id, tests=tests),
        server=server,
        json=json,
    )


@app.command(rich_help_panel=LOOK)
def diff(run_id: RunId, number: Number = None, *, server: Server = None) -> None:
    """Print what a variation changed (the winner, or the recommended one, when none is named)."""
    from aideator.cli import reading

    run_command(lambda door: reading.print_diff(door, run_id, number), server=server)


@app.command(rich_help_panel=SERVE)
def serve(
    *,
    host: Annotated[
        str | None,
        typer.Option(help="The address to listen on; AIDEATOR_HOST when absent."),
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(help="The port, 0 for a free one; AIDEATOR_PORT when absent."),
    ] = None,
) -> None:
    """Serve the page and the API, and carry out runs, until Ctrl-C."""
    from aideator.cli import connect, guard, operating

    guard.guard(lambda: operating.serve(connect.open_door(), host=host, port=port))


@app.command(rich_help_panel=ASK)
def demo(*, json: Json = False) -> None:
    """Watch three agents fix a bug, one of them badly.

    Needs no key: the model is scripted, all else is real.
    """
    from aideator.cli import trial

    run_command(trial.demo, json=json)


@app.command(rich_help_panel=SERVE)
def doctor(*, json: Json = False) -> None:
    """Say what works on this machine, what does not, and how to mend it."""
    from aideator.cli import operating

    run_command(operating.doctor, json=json)


@app.command(rich_help_panel=SERVE)
def gc(
    *,
    max_mb: Annotated[
        int | None,
        typer.Option(help="Keep at most this much; 0 removes all that is not in use."),
    ] = None,
) -> None:
    """Free disk: remove cached repositories and environments that were not used for longest."""
    from aideator.cli import operating

    run_command(lambda door: operating.collect_garbage(door, max_mb=max_mb))


@keys.command("create")
def create_key(name: Annotated[str, typer.Argument(help="Whose key it is.")]) -> None:
    """Make an API key and print it, once."""
    from aideator.cli import operating

    run_command(lambda door: operating.create_key(door, name))


@keys.command("list")
def list_keys(*, json: Json = False) -> None:
    """Show the keys: names and prefixes, never the keys themselves."""
    from aideator.cli import operating

    run_command(operating.list_keys, json=json)


@keys.command("revoke")
def revoke_key(
    key_id: Annotated[str, typer.Argument(metavar="KEY", help="The key's id.")],
) -> None:
    """Make a key worthless."""
    from aideator.cli import operating

    run_command(lambda door: operating.revoke_key(door, key_id))


for module in load("commands"):
    app.add_typer(module.app)
