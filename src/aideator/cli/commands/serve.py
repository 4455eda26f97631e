"""`aideator serve`: the web page, the HTTP API and the work on runs in one process."""

import sys
from typing import Annotated

import typer

from aideator.cli.command import CommandContext, command, open_context
from aideator.cli.parameters import SERVE

app = typer.Typer()


@app.command(
    rich_help_panel=SERVE,
    epilog="""
Examples:

- `aideator serve`

- `aideator serve --host 0.0.0.0 --port 8080`
""",
)
def serve(
    *,
    host: Annotated[
        str | None,
        typer.Option(help="The address to listen on; AIDEATOR_HOST when absent."),
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(
            help="The port, 0 for a free one; AIDEATOR_PORT when absent.",
            min=0,
            max=65535,
        ),
    ] = None,
    started_by_command: Annotated[int | None, typer.Option(hidden=True)] = None,
    lifeline: Annotated[int | None, typer.Option(hidden=True)] = None,
) -> None:
    """Serve the web page and the API, and work on runs, until Ctrl-C.

    The same server that commands start by themselves, in the foreground: it does not
    end when idle, and takes up runs that were interrupted.
    """
    from aideator.cli.exit import call_to_exit

    if started_by_command is None:
        call_to_exit(lambda: _serve(host, port))
    else:
        told = started_by_command
        call_to_exit(lambda: _serve_for_command(told, lifeline))


def _serve(host: str | None, port: int | None) -> None:
    """Serve. The server has its own event loop and signal handlers."""
    from aideator.api.server import serve as serve_api
    from aideator.client.local import find, stop

    context = open_context()
    given = {"aideator_host": host, "aideator_port": port}
    settings = context.settings.model_copy(
        update={name: value for name, value in given.items() if value is not None}
    )

    def on_ready(url: str, link: str | None) -> None:
        sys.stderr.write(
            f"AIdeator serves {url} - open it in a browser. "
            f"(API: {url}{settings.api_v1_prefix}, its documentation: {url}/docs.) "
            "Ctrl-C stops it.\n"
        )
        if link is not None:
            sys.stderr.write(
                "It answers your user on this machine. For a browser of another user, "
                f"this link works once:\n  {link}\n"
            )

    present = find(settings.aideator_home)
    if present is not None:  # it may be one that a command has started, and idle
        stop(present, if_idle=True)
    serve_api(settings, on_ready=on_ready)


def _serve_for_command(told: int, lifeline: int | None) -> None:
    """Serve without a terminal, and tell the command that started this when it may."""
    from aideator.api.server import StartedByCommand
    from aideator.api.server import serve as serve_api
    from aideator.client.local import tell_ready
    from aideator.domain.errors import AideatorError

    try:
        serve_api(
            open_context().settings,
            on_ready=lambda _url, _link: tell_ready(told),
            started=StartedByCommand(lifeline),
        )
    except AideatorError as error:
        tell_ready(told, error)
        raise


@command(
    app,
    panel=SERVE,
    epilog="""
Examples:

- `aideator link`

- `sudo aideator link` where root runs the server, and your browser does not
""",
    json=False,
)
async def link(context: CommandContext) -> None:
    """Print a link that logs in the browser that opens it first, to the page."""
    async with context.connect(stays=True) as client:
        path = await client.make_link()
    url = context.server or context.local_server().present.url
    sys.stdout.write(f"{url}{path}\n")
