"""Declare commands, and open the context in which each runs.

`aideator --help` imports every module with commands and has to be fast: such a module
imports at its top only Typer and what this package declares parameters with. Everything
else is imported inside the functions that need it.
"""

import functools
import inspect
import os
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar, cast

import typer

from aideator.cli.parameters import Json, Server

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from pydantic import BaseModel
    from rich.console import Console, RenderableType

    from aideator.app import Aideator
    from aideator.client.remote import RemoteAideator
    from aideator.settings import Settings

    Client = Aideator | RemoteAideator

Action = TypeVar("Action", bound=Callable[..., Coroutine[Any, Any, int | None]])

_SHARED_OPTIONS = {
    name: inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation
    )
    for name, default, annotation in (
        ("json", False, Json),
        ("server", None, Server),
    )
}


@dataclass(frozen=True)
class CommandContext:
    """What every command is given: settings, where to work, and how to print."""

    settings: "Settings"
    console: "Console"
    server: str | None = None
    """The URL given with `--server`."""
    json: bool = False

    def server_url(self) -> str | None:
        """Return the URL of the server that does the work; None for this process.

        It is the server that was named, else the one that now serves this state
        directory: only one process may work in it.
        """
        from aideator.store.home import owner

        if self.server:
            return self.server
        present = owner(self.settings.aideator_home)
        return present.url if present else None

    @asynccontextmanager
    async def connect(self, *, work: bool = False) -> AsyncIterator["Client"]:
        """Open an AIdeator for one command, in this process or at a server.

        Args:
            work: Whether the command starts or stops runs. In this process, that also
                takes up unfinished ones.
        """
        url = self.server_url()
        if url is None:
            from aideator.app import open_app

            async with open_app(self.settings, work=work) as app:
                yield app
            return
        if not self.server:
            sys.stderr.write(f"(through the server at {url})\n")
        async with self.connect_to(url) as remote:
            yield remote

    def connect_to(self, url: str) -> "AbstractAsyncContextManager[RemoteAideator]":
        """Open a client of the server at an address."""
        from aideator.client.remote import open_remote

        return open_remote(
            url,
            prefix=self.settings.api_v1_prefix,
            header=self.settings.api_key_header,
            key=os.environ.get("AIDEATOR_API_KEY"),
        )

    def print(self, *drawn: "RenderableType") -> None:
        """Print tables and other renderables. For text, see `print_line`."""
        self.console.print(*drawn)

    def print_line(self, text: str, *, style: str = "") -> None:
        """Print text, escaped; nothing in it is highlighted."""
        from aideator.cli.ui.escape import escape

        self.console.print(escape(text), style=style, highlight=False)

    def print_json(self, model: "BaseModel") -> bool:
        """Print a model as one line of JSON if `--json` was given; return whether."""
        if self.json:
            from aideator.domain.visible import escape_json

            sys.stdout.write(escape_json(model.model_dump_json()) + "\n")
        return self.json


def open_context(*, server: str | None = None, json: bool = False) -> CommandContext:
    """Read the settings, configure logging and open standard output.

    Raises:
        SettingsError: naming every wrong setting.
    """
    from aideator.cli.ui.console import StdoutConsole
    from aideator.observability import configure_logging
    from aideator.settings import load_settings

    settings = load_settings()
    configure_logging(debug=settings.debug)
    return CommandContext(settings, StdoutConsole(), server=server, json=json)


def command(
    app: typer.Typer,
    name: str | None = None,
    *,
    panel: str | None = None,
    epilog: str,
    json: bool = True,
    server: bool = True,
) -> Callable[[Action], Action]:
    """Declare a coroutine function as a command.

    The function's first parameter receives the `CommandContext`; the others are the
    command's arguments and options. `--json` and `--server` reach it by the context.
    What it returns is the exit code; None is 0.

    Args:
        app: Where the command is added.
        name: The command's name; that of the function when absent.
        panel: Its heading in `aideator --help`.
        epilog: Examples, in Markdown.
        json: Whether the command has `--json`.
        server: Whether the command has `--server`.
    """
    wanted = {"json": json, "server": server}
    shared = [option for key, option in _SHARED_OPTIONS.items() if wanted[key]]

    def declare(action: Action) -> Action:
        @functools.wraps(action)
        def execute(
            *, json: bool = False, server: str | None = None, **arguments: Any
        ) -> None:
            from aideator.cli.exit import run_to_exit

            run_to_exit(
                lambda: action(open_context(server=server, json=json), **arguments)
            )

        _, *own = inspect.signature(action).parameters.values()
        # Typer reads both: the parameters without the context, and with the shared.
        declared = cast("Any", execute)
        declared.__signature__ = inspect.Signature([*own, *shared])
        declared.__annotations__ = {p.name: p.annotation for p in [*own, *shared]}
        app.command(name, rich_help_panel=panel, epilog=epilog)(execute)
        return action

    return declare
