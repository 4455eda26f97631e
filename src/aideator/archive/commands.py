"""Commands that export a run to a file, and import it."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aideator.cli.options import KEEP, Json, RunId, Server, run_command

if TYPE_CHECKING:
    from aideator.cli.connect import Door

app = typer.Typer()
_STDIO = Path("-")


@app.command(
    rich_help_panel=KEEP, epilog="Example: `aideator export 3f2a91c0 -o run.zip`"
)
def export(
    run_id: RunId,
    *,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            help="The file; aideator-RUN.zip when absent, - for stdout.",
        ),
    ] = None,
    server: Server = None,
) -> None:
    """Write a run that has ended to one file: the run, its events and its patches."""
    run_command(lambda door: _export(door, run_id, output), server=server)


@app.command(
    "import",
    rich_help_panel=KEEP,
    epilog=(
        "Example: `aideator import run.zip`, then `aideator watch 3f2a91c0 --speed 4`"
    ),
)
def import_(
    file: Annotated[
        Path,
        typer.Argument(
            help="What `aideator export` wrote; - for stdin.", allow_dash=True
        ),
    ],
    *,
    json: Json = False,
    server: Server = None,
) -> None:
    """Read a run from a file, to be looked at and watched again."""
    run_command(lambda door: _import(door, file), server=server, json=json)


async def _export(door: "Door", part: str, output: Path | None) -> None:
    from aideator.archive.client import export_run
    from aideator.domain.errors import InvalidInput

    async with door.connect() as client:
        run_id = await client.resolve(part)
        data = await export_run(client, run_id)
    if output == _STDIO:
        sys.stdout.buffer.write(data)
        return
    file = output or Path(f"aideator-{run_id[-8:]}.zip")
    try:
        with file.open("xb") as opened:
            opened.write(data)
    except OSError as error:
        raise InvalidInput(
            f"{file} cannot be written: {error.strerror}",
            hint="name another file with -o",
        ) from None
    door.note(f"{file} has run {run_id[-8:]}, {len(data):,} bytes.")


async def _import(door: "Door", file: Path) -> None:
    from aideator.archive.client import import_run

    data = _read(file)
    async with door.connect() as client:
        details = await import_run(client, data)
    if door.json:
        sys.stdout.write(details.model_dump_json() + "\n")
        return
    door.note(f"Run {details.id} is here, to be looked at.")
    short = details.id[-8:]
    door.note(
        f"next: aideator show {short}, or: aideator watch {short} --speed 4",
        style="dim",
    )


def _read(file: Path) -> bytes:
    from aideator.domain.errors import InvalidInput

    try:
        return sys.stdin.buffer.read() if file == _STDIO else file.read_bytes()
    except OSError as error:
        raise InvalidInput(f"{file} cannot be read: {error.strerror}") from None
