"""Readers that are cut off at random bytes, while a run is being written."""

import asyncio
import json
import random
from dataclasses import dataclass, field
from pathlib import Path

from tests.api.stage import Stage, open_stage
from tests.conftest import PATIENCE
from tests.torture.conftest import FACTOR

READERS = 10
CUTS = max(5, FACTOR)
"""Disconnects of each reader."""


@dataclass
class Reader:
    """A client that remembers the whole events it got, and resumes behind them."""

    stage: Stage
    run_id: str
    chance: random.Random
    seen: list[int] = field(default_factory=list)
    complete: bool = False

    async def reads(self, *, bytes_at_most: int | None) -> None:
        """Read until the connection ends, or until it is cut after some bytes."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.stage.port)
        last = f"Last-Event-ID: {self.seen[-1]}\r\n" if self.seen else ""
        writer.write(
            f"GET /api/v1/runs/{self.run_id}/stream HTTP/1.1\r\n"
            f"Host: localhost\r\nConnection: close\r\n{last}\r\n".encode()
        )
        got = b""
        while bytes_at_most is None or len(got) < bytes_at_most:
            most = 2**16 if bytes_at_most is None else bytes_at_most - len(got)
            piece = await reader.read(most)
            if not piece:
                break
            got += piece
        self._take(got)
        writer.transport.abort()  # a reset, without a word of farewell

    def _take(self, got: bytes) -> None:
        """Take the events that are whole, as a browser does."""
        *frames, _ = got.partition(b"\r\n\r\n")[2].split(b"\n\n")
        for frame in frames:
            lines = dict(
                line.split(b": ", 1) for line in frame.split(b"\n") if b": " in line
            )
            if b"data" in lines:
                event = json.loads(lines[b"data"])
                assert event["seq"] == int(lines[b"id"])
                self.seen.append(event["seq"])
                self.complete |= event["body"]["kind"] == "complete"


async def test_a_reader_that_is_cut_off_again_and_again_gets_each_event_once(
    home: Path, chance: random.Random
) -> None:
    async with open_stage(home) as stage, asyncio.timeout(PATIENCE + CUTS):
        run_id = await stage.run()
        readers = [Reader(stage, run_id, chance) for _ in range(READERS)]
        done = asyncio.Event()

        async def write() -> None:
            while not done.is_set():
                await stage.say(run_id, "word " * chance.randint(1, 400))
                await asyncio.sleep(chance.uniform(0, 0.02))

        async def read(reader: Reader) -> None:
            for _ in range(CUTS):
                await reader.reads(bytes_at_most=chance.randint(1, 20_000))

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(write())
            async with asyncio.TaskGroup() as reading:
                for reader in readers:
                    reading.create_task(read(reader))
            done.set()
        last = await stage.complete(run_id)
        for reader in readers:
            while not reader.complete:
                await reader.reads(bytes_at_most=None)
            assert reader.seen == list(range(1, last + 1))
