"""Commands for whoever runs AIdeator: serve, doctor, gc, keys."""

import json
import sys

from rich.table import Table

from aideator.app import open_app
from aideator.app.sources import open_cache
from aideator.app.wiring import examine
from aideator.cli.connect import Door
from aideator.store import keys
from aideator.store.home import make_home
from aideator.store.session import open_database


def serve(door: Door, *, host: str | None, port: int | None) -> None:
    """Serve until Ctrl-C."""
    from aideator.api.server import serve as serve_api

    changed = {"aideator_host": host, "aideator_port": port}
    settings = door.settings.model_copy(
        update={k: v for k, v in changed.items() if v is not None}
    )

    def on_ready(url: str) -> None:
        sys.stderr.write(
            f"AIdeator serves {url}{settings.api_v1_prefix} (documentation: {url}/docs). Ctrl-C stops it.\n"
        )

    serve_api(settings, on_ready=on_ready)


async def doctor(door: Door) -> int:
    """Say what works here."""
    findings = await examine(door.settings)
    broken = any(not finding.ok and finding.fatal for finding in findings)
    if door.json:
        rows = [vars(finding) for finding in findings]
        sys.stdout.write(json.dumps({"ok": not broken, "findings": rows}) + "\n")
        return int(broken)
    for finding in findings:
        mark, style = (
            ("✓", "green")
            if finding.ok
            else ("✗", "red")
            if finding.fatal
            else ("!", "yellow")
        )
        door.console.print(
            f"[{style}]{mark}[/] [bold]{finding.name}[/] ", end="", highlight=False
        )
        door.console.print(finding.detail, markup=False, highlight=False)
        if finding.fix and not finding.ok:
            door.console.print(
                f"    → {finding.fix}", style="cyan", markup=False, highlight=False
            )
    door.console.print(
        "Runs can be carried out here."
        if not broken
        else "Runs cannot be carried out here yet."
    )
    return int(broken)


async def collect_garbage(door: Door, *, max_mb: int | None) -> None:
    """Free disk."""
    settings = door.settings
    cache = open_cache(settings)
    kept = settings.max_cache_size_mb if max_mb is None else max_mb
    freed = cache.gc(kept * 2**20, idle=0)
    sys.stdout.write(f"freed {freed / 2**20:.1f} MB in {settings.aideator_home}\n")


async def create_key(door: Door, name: str) -> None:
    """Make a key and print it, the only time."""
    make_home(door.settings.aideator_home)
    async with (
        open_database(door.settings.database) as database,
        database.write() as session,
    ):
        made, secret = await keys.create(session, name)
    sys.stderr.write(f"key {made.id} for {name}; it is shown only now:\n")
    sys.stdout.write(secret + "\n")


async def list_keys(door: Door) -> None:
    """Show the keys."""
    async with (
        open_app(door.settings, work=False) as app,
        app.database.read() as session,
    ):
        found = await keys.every(session)
    if door.json:
        rows = [
            {
                "id": k.id,
                "name": k.name,
                "prefix": k.prefix,
                "revoked": k.revoked_at is not None,
            }
            for k in found
        ]
        sys.stdout.write(json.dumps(rows) + "\n")
        return
    table = Table("key", "name", "begins with", "made", "state", box=None)
    for key in found:
        table.add_row(
            key.id,
            key.name,
            key.prefix,
            f"{key.created_at:%Y-%m-%d}",
            "revoked" if key.revoked_at else "valid",
        )
    door.console.print(table)


async def revoke_key(door: Door, key_id: str) -> None:
    """Make a key worthless."""
    async with (
        open_app(door.settings, work=False) as app,
        app.database.write() as session,
    ):
        key = await keys.revoke(session, key_id)
    sys.stdout.write(f"key {key.id} ({key.name}) is revoked\n")
