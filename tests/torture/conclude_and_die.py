"""Conclude a run in one process after another, each killed one await later.

    python conclude_and_die.py FOLDER

Each process has a database of its own, FOLDER/N.db, and dies at await N of `conclude`.
Prints how many died.
"""

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from aideator.engine.run import conclude
from aideator.eventlog.sql import open_event_log
from aideator.store.session import open_database
from tests.engine.test_conclude import CancelledAt, Context, finished_run


class KilledAt(CancelledAt):
    """A coroutine whose process is killed at one of its awaits."""

    def interrupt(self) -> None:
        os.kill(os.getpid(), signal.SIGKILL)


async def conclude_and_die(database_url: str, place: int) -> None:
    async with (
        open_database(database_url) as database,
        open_event_log(database) as log,
    ):
        await finished_run(database, "run")
        context: Any = Context(database, log)
        await KilledAt(conclude(context, "run"), place)


def dies(folder: str, place: int) -> bool:
    child = os.fork()
    if child == 0:
        asyncio.run(conclude_and_die(f"sqlite+aiosqlite:///{folder}/{place}.db", place))
        os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status) == -signal.SIGKILL


if __name__ == "__main__":
    place = 0
    while dies(sys.argv[1], place):
        place += 1
    sys.stdout.write(f"{place}\n")
