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
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar, cast

import typer

from aideator.cli.parameters import Json, Server

if TYPE_CHECKING:
    from pydantic import BaseModel
    from rich.console import Console, RenderableType

    from aideator.client.local import LocalServer
    from aideator.client.remote import AsyncClient
    from aideator.settings import Settings

Action = TypeVar("Action", bound=Callable[..., Any])

_SHARED_OPTIONS = {
    name: inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation
    )
    for name, default, annotation in (
        ("json", False, Json),
        ("server", None, Server),
    )
}


@dataclass
class CommandContext:
    """What every command is given: settings, where to work, and how to print."""

    console: "Console"
    server: str | None = None
    """The URL given with `--server`."""
    json: bool = False
    variables: dict[str, str] = field(default_factory=dict)
    """The environment with `.env`."""
    has_terminal: bool = False
    """Whether a person may be there: a server that is started now goes on without the
    command."""
    _local: "LocalServer | None" = None

    @functools.cached_property
    def settings(self) -> "Settings":
        """The settings of this command; the server has its own.

        Raises:
            SettingsError: naming every wrong setting.
        """
        from aideator.observability import configure_logging
        from aideator.settings import load_settings

        settings = load_settings()
        configure_logging(debug=settings.debug)
        return settings

    def local_server(self, *, stays: bool = False) -> "LocalServer":
        """Return the server of this state directory, started if there is none.

        What differs from this command's settings is said once, on stderr.

        Args:
            stays: Whether one that is started goes on after the command in any case.

        Raises:
            Unavailable: if it does not start.
            SettingsError: naming every wrong setting.
        """
        if self._local is None:
            from aideator.client.local import connect

            self._local = connect(self.variables, stays=stays or self.has_terminal)
            _tell_of(self._local)
        return self._local

    def close(self) -> None:
        """Let go of the server."""
        if self._local is not None:
            self._local.close()
            self._local = None

    @asynccontextmanager
    async def connect(self, *, stays: bool = False) -> AsyncIterator["AsyncClient"]:
        """Open a client of the server: that of `--server`, else the local one.

        Args:
            stays: As in `local_server`.
        """
        import asyncio

        from aideator.client.remote import open_local, open_remote

        if self.server:
            opened = open_remote(
                self.server,
                prefix=self.settings.api_v1_prefix,
                header=self.settings.api_key_header,
                key=os.environ.get("AIDEATOR_API_KEY"),
            )
        else:
            local = await asyncio.to_thread(self.local_server, stays=stays)
            opened = open_local(local.present)
        async with opened as client:
            yield client

    def read_json(self, path: str) -> Any:
        """Return the JSON of a GET request, without the libraries of `connect`."""
        if not self.server:
            return self.local_server().request("GET", path)
        import asyncio

        async def read() -> Any:
            async with self.connect() as client:
                return await client.call("GET", path)

        return asyncio.run(read())

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
    """Read the environment and open standard output.

    Raises:
        SettingsError: if `.env` cannot be read, or says what it may not.
    """
    from aideator.cli.ui.console import StdoutConsole
    from aideator.environment import read_variables

    return CommandContext(
        StdoutConsole(),
        server=server,
        json=json,
        variables=read_variables(),
        has_terminal=_has_terminal(),
    )


def _has_terminal() -> bool:
    return not os.environ.get("CI") and (sys.stdin.isatty() or sys.stderr.isatty())


def _tell_of(server: "LocalServer") -> None:
    """Say in what a server differs from the command, and what waits for the user."""
    if server.differences:
        sys.stderr.write(
            f"note: the server at work (process {server.present.pid}) differs from "
            f"this command: {', '.join(server.differences)}\n"
            "  next: `aideator server restart` when it is idle\n"
        )
    if server.was_started and server.interrupted:
        count = len(server.interrupted)
        first = server.interrupted[0][-8:]
        runs = "1 run was" if count == 1 else f"{count} runs were"
        sys.stderr.write(
            f"note: {runs} interrupted; nothing of it costs anything now\n"
            f"  next: `aideator resume {first}`, or `aideator cancel {first}`\n"
        )


async def _act(
    action: Callable[..., Coroutine[Any, Any, int | None]],
    arguments: dict[str, Any],
    *,
    server: str | None,
    json: bool,
) -> int | None:
    import asyncio

    context = open_context(server=server, json=json)
    try:
        return await action(context, **arguments)
    finally:
        await asyncio.to_thread(context.close)


def _act_now(
    action: Callable[..., int | None],
    arguments: dict[str, Any],
    *,
    server: str | None,
    json: bool,
) -> int | None:
    context = open_context(server=server, json=json)
    try:
        return action(context, **arguments)
    finally:
        context.close()


def command(
    app: typer.Typer,
    name: str | None = None,
    *,
    panel: str | None = None,
    epilog: str,
    json: bool = True,
    server: bool = True,
) -> Callable[[Action], Action]:
    """Declare a function as a command: a coroutine function, or one that only reads.

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
            from aideator.cli.exit import call_to_exit, run_to_exit

            shared: dict[str, Any] = {"server": server, "json": json}
            if inspect.iscoroutinefunction(action):
                run_to_exit(lambda: _act(action, arguments, **shared))
            else:
                call_to_exit(lambda: _act_now(action, arguments, **shared))

        _, *own = inspect.signature(action).parameters.values()
        # Typer reads both: the parameters without the context, and with the shared.
        declared = cast("Any", execute)
        declared.__signature__ = inspect.Signature([*own, *shared])
        declared.__annotations__ = {p.name: p.annotation for p in [*own, *shared]}
        app.command(name, rich_help_panel=panel, epilog=epilog)(execute)
        return action

    return declare
