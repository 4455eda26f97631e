"""Commands about what is kept: files of runs, and what the decisions say."""

import sys
from collections.abc import Iterable
from pathlib import Path

from rich import box
from rich.table import Table

from aideator.cli.connect import Door
from aideator.cli.ui.escape import one_line
from aideator.domain.errors import InvalidInput
from aideator.statistics.model import Rate, Stats, Tally

_STDIO = Path("-")


async def export(door: Door, part: str, output: Path | None) -> None:
    """Write a run to a file."""
    async with door.connect() as client:
        run_id = await client.resolve(part)
        data = await client.keeping.export(run_id)
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


async def import_(door: Door, file: Path) -> None:
    """Read a run from a file."""
    data = _read(file)
    async with door.connect() as client:
        details = await client.keeping.import_(data)
    if door.json:
        sys.stdout.write(details.model_dump_json() + "\n")
        return
    door.note(f"Run {details.id} is here, to be looked at.")
    door.note(
        f"next: aideator show {details.id[-8:]}, or: aideator watch {details.id[-8:]} --speed 4",
        style="dim",
    )


def _read(file: Path) -> bytes:
    try:
        return sys.stdin.buffer.read() if file == _STDIO else file.read_bytes()
    except OSError as error:
        raise InvalidInput(f"{file} cannot be read: {error.strerror}") from None


async def show_stats(door: Door) -> None:
    """Show what the decisions say."""
    async with door.connect() as client:
        stats = await client.keeping.stats()
    if door.json:
        sys.stdout.write(stats.model_dump_json() + "\n")
    elif not stats.decided:
        door.note(
            f"{stats.runs} runs have ended, and none was decided yet. Choose a winner: aideator select RUN N"
        )
    else:
        for name, tallies in (
            ("agent", stats.agents),
            ("model", stats.models),
            ("strategy", stats.strategies),
        ):
            door.console.print(_table(name, tallies))
        for line in _lines(stats):
            door.note(line)


def _table(name: str, tallies: Iterable[Tally]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in (
        name,
        "won",
        "of",
        "share",
        "95 % interval",
        "by chance",
        "cost",
        "cost per win",
    ):
        table.add_column(column)
    for tally in tallies:
        called = one_line(tally.name, 40) or (
            "(none)" if name == "strategy" else "(the agent's own)"
        )
        table.add_row(
            called,
            str(tally.wins.count),
            str(tally.wins.of),
            *_share(tally.wins),
            _percent(tally.by_chance),
            _money(tally.cost_usd),
            _money(tally.cost_per_win_usd),
        )
    return table


def _lines(stats: Stats) -> Iterable[str]:
    yield f"{stats.decided} of {stats.runs} runs decided, {stats.published} published."
    if stats.followed.of:
        share, interval = _share(stats.followed)
        yield f"The recommendation was chosen in {stats.followed.count} of {stats.followed.of}: {share} ({interval})."
    if stats.decision_seconds is not None:
        yield f"Half of the decisions took less than {stats.decision_seconds:,.0f} s after the run's end."
    yield f"Cost: {_money(stats.cost_usd)} in all, {_money(stats.cost_per_decision_usd)} for each accepted change."


def _share(rate: Rate) -> tuple[str, str]:
    return _percent(rate.share), f"{_percent(rate.low)} … {_percent(rate.high)}"


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{share:.0%}"


def _money(usd: float | None) -> str:
    return "unknown" if usd is None else f"${usd:.4f}"
