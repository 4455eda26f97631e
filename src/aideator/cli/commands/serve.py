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
) -> None:
    """Serve the web page and the API, and work on runs, until Ctrl-C."""
    from aideator.cli.exit import call_to_exit

    call_to_exit(lambda: _serve(host, port))


def _serve(host: str | None, port: int | None) -> None:
    """Serve. The server has its own event loop and signal handlers."""
    from aideator.api.server import serve as serve_api

    settings = open_context().settings
    given = {"aideator_host": host, "aideator_port": port}
    settings = settings.model_copy(
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

    serve_api(settings, on_ready=on_ready)


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
    from aideator.domain.errors import Unavailable

    url = context.server_url()
    if url is None:
        raise Unavailable(
            "no server works in this state directory",
            hint="`aideator serve` starts one",
        )
    async with context.connect_to(url) as remote:
        sys.stdout.write(f"{url}{await remote.make_link()}\n")
