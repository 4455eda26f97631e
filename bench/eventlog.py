"""Measure the event log beside raw sqlite3, and the memory of a follower.

    python bench/eventlog.py [--events 50000] [--memory-events 1000000]

The peer is the floor: `sqlite3.executemany` of rows that are ready-made, same table,
same pragmas, same batches, no encoding, no readers. Ours is the whole way of a
ready-made body: JSON, transaction with fence and dense seq, follower.
"""

import argparse
import asyncio
import sqlite3
import statistics
import tempfile
import time
import tracemalloc
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from aideator.domain.events import AgentOutput, Complete
from aideator.domain.run import Run, RunSpec, RunStatus, Variation
from aideator.eventlog.base import Draft
from aideator.eventlog.sql import SqlEventLog, open_event_log
from aideator.store import claims, runs
from aideator.store.session import Database, open_database

TEXT = (
    "The quick brown fox reads calc.py, finds the minus sign, and thinks about what "
    "it means. "
)
WRITERS = 4
ROUNDS = 3


async def make_run(db: Database, run_id: str) -> None:
    spec = RunSpec(repo_url="/repo", prompt="Make addition add", variations=WRITERS)
    agents = [
        Variation(run_id=run_id, number=n, spec=agent)
        for n, agent in enumerate(spec.agents(), start=1)
    ]
    async with db.write() as session:
        await runs.add(session, Run(id=run_id, spec=spec), agents)
        for agent in agents:
            await claims.claim(session, run_id, agent.number)


async def produce(
    log: SqlEventLog, run_id: str, number: int, events: int, batch: int
) -> None:
    drafts = [Draft(AgentOutput(channel="thought", text=TEXT)) for _ in range(batch)]
    for _ in range(events // batch):
        await log.append(run_id, drafts, variation_id=number, attempt=1)


async def hear(log: SqlEventLog, run_id: str, present: asyncio.Semaphore) -> int:
    heard = 0
    async for batch in log.follow(run_id):
        if not heard:
            present.release()
        heard += len(batch)
    return heard


async def ours(folder: Path, events: int, batch: int, followers: int) -> float:
    async with (
        open_database(f"sqlite+aiosqlite:///{folder}/ours.db") as db,
        open_event_log(db) as log,
    ):
        await make_run(db, "bench")
        await produce(log, "bench", 1, 1, 1)
        present = asyncio.Semaphore(0)
        async with asyncio.TaskGroup() as readers:
            heard = [
                readers.create_task(hear(log, "bench", present))
                for _ in range(followers)
            ]
            for _ in heard:
                await present.acquire()
            begin = time.perf_counter()
            async with asyncio.TaskGroup() as writers:
                for number in range(1, WRITERS + 1):
                    writers.create_task(
                        produce(log, "bench", number, events // WRITERS, batch)
                    )
            last = await log.append(
                "bench", [Draft(Complete(status=RunStatus.FINISHED))]
            )
        spent = time.perf_counter() - begin
        assert all(task.result() == last for task in heard)
        return last / spent


def raw(
    folder: Path, events: int, batch: int, rows: Sequence[tuple[object, ...]]
) -> float:
    with closing(
        sqlite3.connect(folder / "raw.db", isolation_level=None)
    ) as connection:
        for pragma in (
            "journal_mode=WAL",
            "synchronous=NORMAL",
            "cache_size=-16384",
            "temp_store=MEMORY",
        ):
            connection.execute(f"PRAGMA {pragma}")
        connection.execute(
            "CREATE TABLE event (run_id TEXT, seq INT, variation_id INT, attempt INT, "
            "kind TEXT, at TEXT, data TEXT,"
            " raw TEXT, PRIMARY KEY (run_id, seq)) WITHOUT ROWID",
        )
        seq = 0
        begin = time.perf_counter()
        for _ in range(events // batch):
            ready = [
                (run_id, seq + n, *rest)
                for n, (run_id, *rest) in enumerate(rows[:batch])
            ]
            seq += batch
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(
                "INSERT INTO event VALUES (?, ?, ?, ?, ?, ?, ?, ?)", ready
            )
            connection.execute("COMMIT")
        return seq / (time.perf_counter() - begin)


async def sample() -> tuple[object, ...]:
    """A row as our own log stores it, for the peer to store."""
    with tempfile.TemporaryDirectory() as name:
        async with (
            open_database(f"sqlite+aiosqlite:///{name}/ours.db") as db,
            open_event_log(db) as log,
        ):
            await make_run(db, "bench")
            await produce(log, "bench", 1, 1, 1)
        with closing(sqlite3.connect(f"{name}/ours.db")) as connection:
            row = connection.execute(
                "SELECT run_id, variation_id, attempt, kind, at, data, raw FROM event"
            ).fetchone()
            return tuple(row)


def throughput(events: int) -> None:
    rows = [asyncio.run(sample())] * 512
    for batch in (1, 64, 256):
        count = min(events, batch * 2000)
        results: dict[str, list[float]] = {
            "raw": [],
            "appended": [],
            "followed": [],
            "followed by 10": [],
        }
        for _ in range(ROUNDS):
            with tempfile.TemporaryDirectory() as name:
                folder = Path(name)
                results["raw"].append(raw(folder, count, batch, rows))
            for label, followers in (
                ("appended", 0),
                ("followed", 1),
                ("followed by 10", 10),
            ):
                with tempfile.TemporaryDirectory() as name:
                    results[label].append(
                        asyncio.run(ours(Path(name), count, batch, followers))
                    )
        floor = statistics.median(results["raw"])
        figures = ", ".join(
            f"{label} {statistics.median(rates):,.0f}/s = "
            f"{statistics.median(rates) / floor:.2f}"
            for label, rates in results.items()
        )
        print(f"eventlog, {WRITERS} writers, batches of {batch}: {figures}", flush=True)


async def memory(folder: Path, events: int) -> None:
    """Follow a long log and look at the heap after each tenth of it."""
    peaks = []
    async with (
        open_database(f"sqlite+aiosqlite:///{folder}/ours.db") as db,
        open_event_log(db) as log,
    ):
        await make_run(db, "bench")
        async with asyncio.TaskGroup() as writers:
            for number in range(1, WRITERS + 1):
                writers.create_task(
                    produce(log, "bench", number, events // WRITERS, 256)
                )
        await log.append("bench", [Draft(Complete(status=RunStatus.FINISHED))])
        tracemalloc.start()
        heard = 0
        async for batch in log.follow("bench"):
            heard += len(batch)
            if heard % (events // 10) < len(batch):
                peaks.append(tracemalloc.get_traced_memory()[1] / 2**20)
                tracemalloc.reset_peak()
    tracemalloc.stop()
    print(
        f"eventlog, follower's peak heap in MiB over {heard:,} events: "
        + " ".join(f"{peak:.2f}" for peak in peaks)
    )
    print(
        "eventlog, memory of the last tenth against the second: "
        f"{peaks[-1] / peaks[1]:.2f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--events", type=int, default=50_000)
    parser.add_argument("--memory-events", type=int, default=1_000_000)
    arguments = parser.parse_args()
    throughput(arguments.events)
    with tempfile.TemporaryDirectory() as name:
        asyncio.run(memory(Path(name), arguments.memory_events))


if __name__ == "__main__":
    main()
