"""`aideator server …`: the server that commands start and use."""

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aideator.cli.command import CommandContext, command

if TYPE_CHECKING:
    from aideator.store.home import Owner

app = typer.Typer(
    no_args_is_help=True, help="Show, stop and restart the server that commands use."
)
Force = Annotated[
    bool,
    typer.Option(
        "--force", help="Also while runs are at work; they can be resumed afterwards."
    ),
]


@command(
    app,
    server=False,
    epilog="""
Examples:

- `aideator server status`

- `aideator server status --json | jq .pid`

Exit code: 0 a server answers, 1 none does.
""",
)
def status(context: CommandContext) -> int:
    """Show whether a server runs, since when it is idle, and when it ends."""
    import json

    from aideator.client.local import request

    present = _find(context)
    if present is None:
        context.print_line("No server runs. The next command starts one.")
        return 1
    found = request(present, "GET", "/server/status")
    if context.json:
        shown = {k: v for k, v in found.items() if k not in ("salt", "variables")}
        sys.stdout.write(json.dumps(shown) + "\n")
        return 0
    _print_status(context, found)
    return 0


def _print_status(context: CommandContext, found: dict[str, Any]) -> None:
    kind = "`aideator serve`" if found["is_service"] else "started by a command"
    context.print_line(f"process {found['pid']}, version {found['version']}, {kind}")
    context.print_line(f"page: {found['url']}")
    if found["working"]:
        context.print_line("runs are at work; `aideator list` shows them")
    elif found["idle_timeout"] is None:
        context.print_line("idle; Ctrl-C ends it")
    else:
        left = max(0, found["idle_timeout"] - found["idle_seconds"]) / 60
        context.print_line(f"idle; it ends by itself in {left:.0f} min")
    for run in found["interrupted"]:
        short = run[-8:]
        context.print_line(
            f"{short} was interrupted: aideator resume {short}, or aideator cancel "
            f"{short}"
        )


@command(
    app,
    json=False,
    server=False,
    epilog="""
Examples:

- `aideator server stop`

- `aideator server stop --force`
""",
)
def stop(context: CommandContext, *, force: Force = False) -> None:
    """Stop the server, if it is idle."""
    present = _find(context)
    if present is None:
        context.print_line("No server runs.")
        return
    _stop(present, force=force)
    context.print_line(f"The server (process {present.pid}) has ended.")


@command(
    app,
    json=False,
    server=False,
    epilog="Example: `aideator server restart`",
)
def restart(context: CommandContext, *, force: Force = False) -> None:
    """Start the server anew, with the settings of this shell."""
    present = _find(context)
    if present is not None:
        _stop(present, force=force)
    started = context.local_server(stays=True).present
    context.print_line(f"The server is process {started.pid}; page: {started.url}")


@command(
    app,
    json=False,
    server=False,
    epilog="""
Examples:

- `aideator server logs`

- `aideator server logs -n 500 | grep error`

- `aideator server logs -f`
""",
)
def logs(
    context: CommandContext,
    *,
    lines: Annotated[
        int, typer.Option("-n", "--lines", help="How many of the last.", min=1)
    ] = 50,
    follow: Annotated[
        bool, typer.Option("-f", "--follow", help="Go on with new lines, until Ctrl-C.")
    ] = False,
) -> None:
    """Print the log of the servers that commands have started."""
    import time

    from aideator.cli.ui.escape import escape
    from aideator.client.local import log_file
    from aideator.environment import home_of

    file = log_file(home_of(context.variables))
    if not file.is_file():
        context.print_line("No command has started a server here.")
        return
    with file.open(encoding="utf-8", errors="replace") as opened:
        for line in opened.readlines()[-lines:]:
            sys.stdout.write(escape(line.rstrip("\n")) + "\n")
        while follow:
            sys.stdout.flush()
            line = opened.readline()
            if line:
                sys.stdout.write(escape(line.rstrip("\n")) + "\n")
            else:
                time.sleep(0.2)


def _find(context: CommandContext) -> "Owner | None":
    from aideator.client.local import find
    from aideator.environment import home_of

    return find(home_of(context.variables))


def _stop(present: "Owner", *, force: bool) -> None:
    from aideator.client.local import stop as stop_server
    from aideator.domain.errors import Conflict

    if not stop_server(present, if_idle=not force):
        raise Conflict(
            "runs are at work in the server, or a page is open",
            hint="wait; or `aideator server stop --force`: `aideator resume` takes the "
            "runs up again",
        )
