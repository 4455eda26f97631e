"""`aideator key …`: the API keys of `aideator serve`."""

import sys
from typing import Annotated

import typer

from aideator.cli.command import CommandContext, command

app = typer.Typer(no_args_is_help=True, help="Manage the API keys of `aideator serve`.")


@command(
    app,
    "create",
    json=False,
    server=False,
    epilog="""
Examples:

- `aideator key create ci`

- `aideator key create "$USER" > ~/.aideator-key`
""",
)
async def create_key(
    context: CommandContext,
    name: Annotated[str, typer.Argument(help="A name for the key, such as its user.")],
) -> None:
    """Create an API key and print it. It is not shown again."""
    from aideator.app import open_app

    async with open_app(context.settings, work=False) as aideator:
        key, secret = await aideator.create_key(name)
    sys.stderr.write(f"key {key.id} for {name}; it is shown only now:\n")
    sys.stdout.write(secret + "\n")


@command(
    app,
    "list",
    server=False,
    epilog="""
Examples:

- `aideator key list`

- `aideator key list --json | jq -r .[].name`
""",
)
async def list_keys(context: CommandContext) -> None:
    """List the keys: their names and prefixes, never the keys themselves."""
    import json

    from rich.table import Table

    from aideator.app import open_app

    async with open_app(context.settings, work=False) as aideator:
        keys = await aideator.keys()
    if context.json:
        rows = [
            {
                "id": key.id,
                "name": key.name,
                "prefix": key.prefix,
                "revoked": key.revoked_at is not None,
            }
            for key in keys
        ]
        sys.stdout.write(json.dumps(rows) + "\n")
        return
    table = Table("key", "name", "begins with", "created", "state", box=None)
    for key in keys:
        created = f"{key.created_at:%Y-%m-%d}"
        state = "revoked" if key.revoked_at else "valid"
        table.add_row(key.id, key.name, key.prefix, created, state)
    context.print(table)


@command(
    app,
    "revoke",
    json=False,
    server=False,
    epilog="Example: `aideator key revoke 01a20286-e495-75be-b296-6354eddc7d4a`",
)
async def revoke_key(
    context: CommandContext,
    key_id: Annotated[
        str, typer.Argument(metavar="KEY", help="Its id; see `aideator key list`.")
    ],
) -> None:
    """Revoke a key: requests with it are refused from then on."""
    from aideator.app import open_app

    async with open_app(context.settings, work=False) as aideator:
        key = await aideator.revoke_key(key_id)
    sys.stdout.write(f"key {key.id} ({key.name}) is revoked\n")
