"""Assemble the Typer application: commands of the core and of optional packages."""

from typing import Annotated

import typer

from aideator import __version__, optional
from aideator.cli.commands import (
    continue_run,
    decide,
    delete,
    demo,
    help,
    hosts,
    inspect,
    keys,
    login,
    maintain,
    run,
    serve,
    server,
    show,
    watch,
)
from aideator.cli.parameters import SERVE
from aideator.cli.usage import tell

_EPILOG = """
Examples:

- `aideator demo` shows how it works, without an API key

- `aideator doctor` checks what this machine lacks

- `aideator run . "Fix the failing date test"`
"""


def _print_version(wanted: bool) -> None:  # noqa: FBT001 - typer's callback protocol
    if wanted:
        typer.echo(f"aideator {__version__}")
        raise typer.Exit


def _options(
    *,
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            callback=_print_version,
            is_eager=True,
            help="Show the version and exit.",
        ),
    ] = False,
) -> None:
    pass


def build_app() -> typer.Typer:
    """Return the application with every command.

    Headings of `aideator --help` appear in the order of their first command.
    """
    app = typer.Typer(
        callback=_options,
        no_args_is_help=True,
        rich_markup_mode="markdown",
        pretty_exceptions_enable=False,
        help="**N coding agents in, one proven change out.**",
        epilog=_EPILOG,
    )
    for module in (
        run,
        inspect,
        demo,
        login,
        watch,
        show,
        continue_run,
        decide,
        delete,
        help,
    ):
        app.add_typer(module.app)
    for package in optional.load("commands"):
        app.add_typer(package.app)
    for module in (serve, hosts, maintain):
        app.add_typer(module.app)
    app.add_typer(server.app, name="server", rich_help_panel=SERVE)
    app.add_typer(keys.app, name="key", rich_help_panel=SERVE)
    return app


app = build_app()


def main() -> int:
    """Run the command of the command line; return its exit code."""
    try:
        # The same name for `python -m aideator`.
        return app(prog_name="aideator", standalone_mode=False) or 0
    except typer.Abort:
        return 1
    except typer.TyperException as error:
        return tell(error)
