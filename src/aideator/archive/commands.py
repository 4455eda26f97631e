"""Commands: `aideator export` and `aideator import`."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from aideator.cli.command import CommandContext, command
from aideator.cli.parameters import ARCHIVE, RunId

app = typer.Typer()
_STDIO = Path("-")


@command(
    app,
    panel=ARCHIVE,
    json=False,
    epilog="""
Examples:

- `aideator export 3f2a91c0`

- `aideator export 3f2a91c0 -o run.zip`
""",
)
async def export(
    context: CommandContext,
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
) -> None:
    """Write a run that has ended to one file, with its events and patches."""
    from aideator.archive.client import export_run

    async with context.connect() as client:
        found = await client.resolve(run_id)
        data = await export_run(client, found)
    if output == _STDIO:
        sys.stdout.buffer.write(data)
        return
    file = output or Path(f"aideator-{found[-8:]}.zip")
    _write(file, data)
    context.print_line(f"{file} has run {found[-8:]}, {len(data):,} bytes.")


def _open_private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _write(file: Path, data: bytes) -> None:
    from aideator.domain.errors import InvalidInput

    try:
        # Never an existing file, and for this user only: a run holds whole files.
        with open(file, "xb", opener=_open_private) as opened:
            opened.write(data)
    except OSError as error:
        raise InvalidInput(
            f"{file} cannot be written: {error.strerror}",
            hint="name another file with -o",
        ) from None


@command(
    app,
    "import",
    panel=ARCHIVE,
    epilog="""
Examples:

- `aideator import run.zip`

- `aideator watch 3f2a91c0 --speed 4` replays what was imported
""",
)
async def import_(
    context: CommandContext,
    file: Annotated[
        Path,
        typer.Argument(
            help="A file that `aideator export` wrote; - for stdin.", allow_dash=True
        ),
    ],
) -> None:
    """Import a run from a file, to look at it and to replay it."""
    from aideator.archive.client import import_run

    data = _read(file)
    async with context.connect() as client:
        details = await import_run(client, data)
    if context.print_json(details):
        return
    short = details.id[-8:]
    context.print_line(f"Run {details.id} was imported. It can be read, not continued.")
    context.print_line(
        f"next: aideator show {short}, or: aideator watch {short} --speed 4",
        style="dim",
    )


def _read(file: Path) -> bytes:
    from aideator.domain.errors import InvalidInput

    try:
        return sys.stdin.buffer.read() if file == _STDIO else file.read_bytes()
    except OSError as error:
        raise InvalidInput(f"{file} cannot be read: {error.strerror}") from None
