"""`aideator login` and `logout`: the key for the model's server, stored once."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from aideator.cli.command import CommandContext, command
from aideator.cli.parameters import START

if TYPE_CHECKING:
    from pydantic import SecretStr

app = typer.Typer()


@command(
    app,
    panel=START,
    json=False,
    server=False,
    epilog="""
Examples:

- `aideator login` asks for the key, and does not show it

- `pass anthropic | aideator login --stdin`

- `aideator login --status`

It goes to the keyring of your session, else to a file that only you can read. A key in
ANTHROPIC_API_KEY, of the environment or of `.env`, goes before the stored one.
""",
)
async def login(
    context: CommandContext,
    *,
    stdin: Annotated[
        bool, typer.Option("--stdin", help="Read the key from standard input.")
    ] = False,
    status: Annotated[
        bool, typer.Option("--status", help="Say which key is used, and try it.")
    ] = False,
) -> int:
    """Store the API key for the model, after a call that costs nothing has tried it."""
    import asyncio

    from aideator.app.model_trial import model_finding, try_settings
    from aideator.cli.ui.findings import print_finding
    from aideator.domain.errors import ModelRefusesKey, ModelUnavailable
    from aideator.sandbox.base import sandbox_uid
    from aideator.store import model_key
    from aideator.store.home import make_home

    settings = context.settings
    if status:
        finding = await model_finding(settings)
        print_finding(context.console, finding)
        return int(not finding.ok)
    key = _read_key(settings.anthropic_base_url, from_stdin=stdin)
    try:
        tried = await try_settings(
            settings.model_copy(update={"anthropic_api_key": key})
        )
    except ModelRefusesKey:
        raise
    except ModelUnavailable as error:
        tried = f"not tried: {error}"
    home = make_home(settings.aideator_home, group=sandbox_uid())
    address = settings.anthropic_base_url
    stored = await asyncio.to_thread(model_key.save, home, address, key)
    context.print_line(f"The key for {address} is in {stored.place} ({tried}).")
    if settings.anthropic_api_key is not None:
        context.print_line("ANTHROPIC_API_KEY is set too, and goes before it.")
    _tell_a_server(context)
    return 0


@command(
    app, panel=START, json=False, server=False, epilog="Example: `aideator logout`"
)
async def logout(context: CommandContext) -> None:
    """Remove the stored API key."""
    import asyncio

    from aideator.store import model_key

    home = context.settings.aideator_home
    removed = await asyncio.to_thread(model_key.forget, home)
    if removed is None:
        context.print_line("No key is stored.")
        return
    context.print_line(f"The key for {removed.address} was removed, {removed.place}.")
    _tell_a_server(context)


def _read_key(address: str, *, from_stdin: bool) -> "SecretStr":
    """Return the key that is typed or piped; it is shown nowhere.

    Raises:
        InvalidInput: if it is no key, or there is no terminal to type it at.
    """
    from getpass import getpass

    from pydantic import SecretStr

    from aideator.domain.errors import InvalidInput

    if from_stdin:
        text = sys.stdin.readline()
    elif sys.stdin.isatty():
        text = getpass(f"API key for {address} (it is not shown): ")
    else:
        raise InvalidInput(
            "there is no terminal to type the key at",
            hint="pipe it: `pass anthropic | aideator login --stdin`",
        )
    key = text.strip()
    if not key.isascii() or not key.isprintable() or " " in key or not key:
        raise InvalidInput(
            "that is no API key: it is empty, or has spaces or letters beyond ASCII",
            hint="copy the whole key, and nothing else",
        )
    return SecretStr(key)


def _tell_a_server(context: CommandContext) -> None:
    if context.server_url() is not None:
        context.print_line(
            "The server that is running takes this up when it starts again.",
            style="dim",
        )
