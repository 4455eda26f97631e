"""The commands. Each parses, calls the façade and renders; what is heavy is imported when it is needed."""

import asyncio
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aideator import __version__

if TYPE_CHECKING:
    from aideator.cli.connect import Door
    from aideator.domain.errors import AideatorError
    from aideator.settings import Settings

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    help="**N coding agents in, one proven change out.**",
    epilog="Try it without a key: `aideator demo`. What this machine lacks: `aideator doctor`.",
)
keys = typer.Typer(no_args_is_help=True, help="API keys for `aideator serve`.")
app.add_typer(keys, name="key")

Server = Annotated[str | None, typer.Option("--server", envvar="AIDEATOR_SERVER", help="Use the server at this URL.")]
Json = Annotated[bool, typer.Option("--json", help="Machine-readable output on stdout, nothing else.")]
RunId = Annotated[str, typer.Argument(metavar="RUN", help="The run's id, or its first or last characters.")]
Number = Annotated[int | None, typer.Argument(metavar="[VARIATION]", help="1 … N.")]


def _version(wanted: bool) -> None:  # noqa: FBT001 - typer's callback protocol
    if wanted:
        typer.echo(f"aideator {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    pass


def _run(work: Coroutine[Any, Any, int | None]) -> None:
    """Run a command to its exit code."""
    _guard(lambda: asyncio.run(work))


def _guard(work: Callable[[], int | None]) -> None:
    """Errors say what happened and what to do next."""
    from aideator.domain.errors import AideatorError, InvalidInput

    try:
        code = work()
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
    except AideatorError as error:
        _complain(error)
        raise typer.Exit(2 if isinstance(error, InvalidInput) else 1) from None
    raise typer.Exit(code or 0)


def _complain(error: "AideatorError") -> None:
    from aideator.cli.render import plain

    typer.secho(f"error: {plain(str(error))}", fg="red", err=True)
    if error.hint:
        typer.secho(f"  next: {plain(error.hint)}", err=True)


def _settings() -> "Settings":
    from aideator.domain.errors import AideatorError
    from aideator.observability import configure_logging
    from aideator.settings import load_settings

    try:
        settings = load_settings()
    except AideatorError as error:
        _complain(error)
        raise typer.Exit(2) from None
    configure_logging(debug=settings.debug)
    return settings


def _door(*, server: str | None = None, json: bool = False) -> "Door":
    from rich.console import Console

    from aideator.cli.connect import Door

    return Door(_settings(), Console(), server=server, json=json)


@app.command(
    epilog="""
Examples:

- `aideator run . "Fix the failing date test" -n 3`

- `aideator run https://github.com/user/repo "Add a --json flag" --check "pytest -q" --budget 2`

- `aideator run --spec run.yaml --json | jq .body.kind`

Exit code: 0 a variation is recommended, 1 the run failed, 2 wrong input, 3 cannot tell, 4 cancelled, 130 interrupted.
"""
)
def run(  # noqa: PLR0913 - each is a documented option
    repo: Annotated[str | None, typer.Argument(help="A local path or an https URL.")] = None,
    prompt: Annotated[str | None, typer.Argument(help="What the agents shall do; `-` reads it from stdin.")] = None,
    *,
    number: Annotated[int, typer.Option("-n", "--variations", help="How many agents work side by side.")] = 3,
    ref: Annotated[str | None, typer.Option(help="Branch, tag or commit to start from.")] = None,
    check: Annotated[list[str] | None, typer.Option(help="A command that proves a change; repeatable.")] = None,
    no_checks: Annotated[bool, typer.Option("--no-checks", help="Run no checks; nothing is proven then.")] = False,
    agent: Annotated[str, typer.Option(help="A row of the catalogue.")] = "builtin",
    model: Annotated[str | None, typer.Option(help="The model, as its provider names it.")] = None,
    effort: Annotated[str | None, typer.Option(help="low, medium, high, xhigh or max.")] = None,
    max_turns: Annotated[int | None, typer.Option(help="Model calls after which an agent stops.")] = None,
    instructions: Annotated[str, typer.Option(help="A strategy, added to the agent's own instructions.")] = "",
    budget: Annotated[float | None, typer.Option(help="US dollars for the whole run.")] = None,
    variation_budget: Annotated[float | None, typer.Option(help="US dollars for each variation.")] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Do not answer with an earlier decision.")] = False,
    spec: Annotated[Path | None, typer.Option(help="A YAML file with the submission, instead of the options.")] = None,
    detach: Annotated[bool, typer.Option("--detach", help="Return at once (with a server).")] = False,
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
        "checks": [] if no_checks else [{"command": command} for command in check] if check else None,
        "budget": {"run_usd": budget, "variation_usd": variation_budget},
        "fresh": fresh,
    }
    seat = {"model": model, "effort": effort, "max_turns": max_turns, "instructions": instructions}
    options |= {"lineup": [{"agent": agent, **seat}] * number} if agent != "builtin" else {"agent_config": seat}
    _run(submit(_door(server=server, json=json), options, spec, detach=detach))


@app.command()
def watch(run_id: RunId, *, json: Json = False, server: Server = None) -> None:
    """Follow a run live, from its beginning. Ctrl-C stops watching, not the run."""
    from aideator.cli import reading

    _run(reading.watch_run(_door(server=server, json=json), run_id))


@app.command("list")
def list_(
    *,
    limit: Annotated[int, typer.Option(help="How many.", min=1, max=500)] = 20,
    json: Json = False,
    server: Server = None,
) -> None:
    """Show runs, newest first."""
    from aideator.cli import reading

    _run(reading.list_runs(_door(server=server, json=json), limit=limit))


@app.command()
def show(run_id: RunId, *, json: Json = False, server: Server = None) -> None:
    """Show a run: its variations compared, and the recommendation with its reasons."""
    from aideator.cli import reading

    _run(reading.show_run(_door(server=server, json=json), run_id))


@app.command()
def diff(run_id: RunId, number: Number = None, *, server: Server = None) -> None:
    """Print what a variation changed (the winner, or the recommended one, when none is named)."""
    from aideator.cli import reading

    _run(reading.print_diff(_door(server=server), run_id, number))


@app.command()
def select(
    run_id: RunId,
    number: Annotated[int, typer.Argument(metavar="VARIATION", help="1 … N.")],
    *,
    reason: Annotated[str, typer.Option(help="Why; kept with the decision.")] = "",
    json: Json = False,
    server: Server = None,
) -> None:
    """Keep a variation as the winner."""
    from aideator.cli import deciding

    _run(deciding.select_winner(_door(server=server, json=json), run_id, number, reason=reason))


@app.command(epilog="Example: `cd my/checkout && aideator apply 3f2a91c0 2 --branch fix-dates`")
def apply(
    run_id: RunId,
    number: Number = None,
    *,
    repo: Annotated[Path, typer.Option(help="Your checkout.", file_okay=False)] = Path(),
    branch: Annotated[str | None, typer.Option(help="The new branch; aideator/RUN-VARIATION when absent.")] = None,
    server: Server = None,
) -> None:
    """Put the winner's change on a new branch of your checkout. A dirty tree is refused."""
    from aideator.cli import deciding

    _run(deciding.apply_change(_door(server=server), run_id, number, repo=repo, branch=branch))


@app.command()
def prompt(
    run_id: RunId,
    number: Annotated[int, typer.Argument(metavar="VARIATION", help="1 … N.")],
    text: Annotated[str, typer.Argument(help="What the variation shall do next.")],
    *,
    json: Json = False,
    server: Server = None,
) -> None:
    """Give one variation a follow-up turn on its own tree."""
    from aideator.cli import deciding

    _run(deciding.follow_up(_door(server=server, json=json), run_id, number, text))


@app.command()
def cancel(run_id: RunId, number: Number = None, *, server: Server = None) -> None:
    """Stop a run, or one of its variations."""
    from aideator.cli import deciding

    _run(deciding.cancel_run(_door(server=server), run_id, number))


@app.command()
def serve(
    *,
    host: Annotated[str | None, typer.Option(help="The address to listen on; AIDEATOR_HOST when absent.")] = None,
    port: Annotated[int | None, typer.Option(help="The port, 0 for a free one; AIDEATOR_PORT when absent.")] = None,
) -> None:
    """Serve the API and carry out runs until Ctrl-C."""
    from aideator.cli import operating

    _guard(lambda: operating.serve(_door(), host=host, port=port))


@app.command()
def demo(*, json: Json = False) -> None:
    """Watch three agents fix a bug, one of them badly. Needs no key: the model is scripted, all else is real."""
    from aideator.cli import trial

    _run(trial.demo(_door(json=json)))


@app.command()
def doctor(*, json: Json = False) -> None:
    """Say what works on this machine, what does not, and how to mend it."""
    from aideator.cli import operating

    _run(operating.doctor(_door(json=json)))


@app.command()
def gc(
    *,
    max_mb: Annotated[
        int | None, typer.Option(help="Keep at most this much; 0 removes all that is not in use.")
    ] = None,
) -> None:
    """Free disk: remove cached repositories that were not used for longest."""
    from aideator.cli import operating

    _run(operating.collect_garbage(_door(), max_mb=max_mb))


@keys.command("create")
def create_key(name: Annotated[str, typer.Argument(help="Whose key it is.")]) -> None:
    """Make an API key and print it, once."""
    from aideator.cli import operating

    _run(operating.create_key(_door(), name))


@keys.command("list")
def list_keys(*, json: Json = False) -> None:
    """Show the keys: names and prefixes, never the keys themselves."""
    from aideator.cli import operating

    _run(operating.list_keys(_door(json=json)))


@keys.command("revoke")
def revoke_key(key_id: Annotated[str, typer.Argument(metavar="KEY", help="The key's id.")]) -> None:
    """Make a key worthless."""
    from aideator.cli import operating

    _run(operating.revoke_key(_door(), key_id))
