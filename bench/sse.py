"""Measure event streams: fan-out beside FastAPI and nchan, reconnects, first event.

    python bench/sse.py [--rounds 3] [--seconds 5]

Servers run on core 0, the client on core 1. Ours is the whole product: every event is
validated, stored in SQLite and then streamed. FastAPI's native stream is fed from a
list in memory. nchan (C, `apt-get install libnginx-mod-nchan`) keeps its messages in
memory too and gets one POST for each event, as its users publish.
"""

import argparse
import asyncio
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import cast

import httpx2
import uvloop

SERVERS = str(Path(__file__).with_name("sse_servers.py"))
SUBSCRIBERS, BURST, RATE = 100, 1000, 100
STORM, LOG, MISSED = 500, 20_000, 1000
PAD = "The quick brown fox reads calc.py, finds the minus sign, and thinks. " * 2
NCHAN_MODULE = Path("/usr/lib/nginx/modules/ngx_nchan_module.so")
NCHAN = """
worker_processes 1; daemon off; pid {folder}/pid; error_log {folder}/error.log;
load_module {module};
events {{ worker_connections 4096; }}
http {{
  access_log off; nchan_max_reserved_memory 256M;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:{port}; keepalive_requests 1000000;
    location /sub {{ nchan_subscriber eventsource; nchan_channel_id bench; }}
    location /pub {{
      nchan_publisher; nchan_channel_id bench; nchan_message_buffer_length {log};
    }}
  }}
}}
"""


class Subscriber(asyncio.Protocol):
    """Count events and read their times without the cost of a real parser."""

    def __init__(
        self,
        path: str,
        expected: int,
        *,
        last_id: int | None = None,
        timed: bool = False,
    ) -> None:
        self.done = asyncio.get_running_loop().create_future()
        self.delays: list[float] = []
        resume = "" if last_id is None else f"Last-Event-ID: {last_id}\r\n"
        accept = "Accept: text/event-stream\r\n"
        self._request = (
            f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{accept}{resume}\r\n".encode()
        )
        self._expected = expected
        self._timed = timed
        self._tail = b""
        self._seen = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the stream."""
        self._transport = cast(
            "asyncio.WriteTransport", transport
        )  # uvloop's is not registered as one
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        """Count whole events."""
        data = self._tail + data
        complete = data.rfind(b"\n\n") + 2
        if complete < 2:
            self._tail = data
            return
        self._tail = data[complete:]
        self._seen += data.count(b"data: ", 0, complete)
        if self._timed:
            now = time.monotonic_ns()
            self.delays += [
                (now - int(sent)) / 1e6
                for sent in re.findall(rb"t=(\d+) ", data[:complete])
            ]
        if self._seen >= self._expected and not self.done.done():
            self.done.set_result(time.perf_counter())

    def connection_lost(self, _: Exception | None) -> None:
        """Tell whoever waits."""
        if not self.done.done():
            self.done.set_exception(
                ConnectionError(f"ended after {self._seen} of {self._expected} events")
            )

    def close(self) -> None:
        """Leave."""
        self._transport.close()


Publish = Callable[[int, float], Awaitable[None]]
"""Publish so many events, at so many a second (0: as fast as it goes)."""


async def fan_out(
    port: int, path: str, count: int, rate: float, publish: Publish
) -> tuple[float, list[float]]:
    """Return deliveries a second, and milliseconds to arrival at four subscribers."""
    loop = asyncio.get_running_loop()
    heard = []
    for n in range(SUBSCRIBERS):
        heard.append(Subscriber(path, count, timed=n < 4))
        await loop.create_connection(lambda: heard[-1], "127.0.0.1", port)
    await asyncio.sleep(0.5)
    begin = time.perf_counter()
    await publish(count, rate)
    async with asyncio.timeout(60):
        ends = [await subscriber.done for subscriber in heard]
    for subscriber in heard:
        subscriber.close()
    return SUBSCRIBERS * count / (max(ends) - begin), [
        d for subscriber in heard[:4] for d in subscriber.delays
    ]


@asynccontextmanager
async def own_server(
    kind: str,
) -> AsyncIterator[tuple[int, Callable[..., Awaitable[str]]]]:
    """A process of its own: its port, and a way to tell it things.

    Each is answered with one line.
    """
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, SERVERS, kind),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin
    assert process.stdout
    stdin, stdout = process.stdin, process.stdout

    async def tell(*words: object, wait: bool = True) -> str:
        stdin.write((" ".join(map(str, words)) + "\n").encode())
        return (await stdout.readline()).decode().strip() if wait else ""

    try:
        yield int(await stdout.readline()), tell
    finally:
        process.kill()
        await process.wait()


async def measure_own(kind: str, count: int, rate: float) -> tuple[float, list[float]]:
    async with own_server(kind) as (port, tell):
        path = await tell("run")

        async def publish(count: int, rate: float) -> None:
            await tell("publish", count, rate, wait=False)

        return await fan_out(port, path, count, rate, publish)


async def measure_nchan(count: int, rate: float) -> tuple[float, list[float]]:
    with nchan() as port:
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
            await client.post("/pub", content=b"warm")

            async def publish(count: int, rate: float) -> None:
                await post_all(port, count, rate)

            return await fan_out(port, "/sub", count, rate, publish)


async def post_all(port: int, count: int, rate: float) -> None:
    """One pipelined connection: the publisher must not be what is measured."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)

    async def hear_answers() -> None:
        answered = 0
        while answered < count:
            answered += (await reader.read(2**16)).count(b"HTTP/1.1 2")

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(hear_answers())
        begin = time.perf_counter()
        for n in range(count):
            body = json.dumps(
                {"seq": n, "body": {"text": f"t={time.monotonic_ns()} {PAD}"}}
            ).encode()
            writer.write(
                b"POST /pub HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%b"
                % (len(body), body)
            )
            if rate:
                await asyncio.sleep(
                    max(0.0, begin + (n + 1) / rate - time.perf_counter())
                )
            elif n % 20 == 0:
                await writer.drain()
                await asyncio.sleep(0)
    writer.close()


def nchan_is_here() -> bool:
    return bool(shutil.which("nginx")) and NCHAN_MODULE.exists()


@contextmanager
def nchan() -> Iterator[int]:
    port = 18123
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "nginx.conf").write_text(
            NCHAN.format(folder=folder, port=port, log=LOG, module=NCHAN_MODULE)
        )
        command = ["nginx", "-p", folder, "-c", f"{folder}/nginx.conf"]
        user = ["-g", "user root;"] if os.geteuid() == 0 else []
        process = subprocess.Popen(
            ["taskset", "-c", "0", *command, *user], stderr=subprocess.DEVNULL
        )
        try:
            time.sleep(1)
            yield port
        finally:
            process.terminate()
            process.wait()


async def storm() -> tuple[float, float]:
    """Return the seconds until 500 returning clients have caught up, and the rate."""
    async with own_server("ours") as (port, tell):
        path = await tell("run")
        await tell("fill", LOG)
        loop = asyncio.get_running_loop()
        begin = time.perf_counter()
        async with asyncio.TaskGroup() as tasks:
            connecting = [
                tasks.create_task(
                    loop.create_connection(
                        lambda: Subscriber(path, MISSED, last_id=LOG - MISSED),
                        "127.0.0.1",
                        port,
                    )
                )
                for _ in range(STORM)
            ]
        heard = [task.result()[1] for task in connecting]
        async with asyncio.timeout(60):
            seconds = max([await subscriber.done for subscriber in heard]) - begin
        return seconds, STORM * MISSED / seconds


async def first_event(rounds: int) -> list[float]:
    """Milliseconds from POST to the first event on the stream, cache warm."""
    async with own_server("work") as (port, tell):
        spec = {
            "repo_url": await tell("repo"),
            "prompt": "Make the tests pass",
            "variations": 1,
            "fresh": True,
        }
        async with httpx2.AsyncClient(
            base_url=f"http://127.0.0.1:{port}", timeout=60
        ) as client:
            times = []
            for _ in range(rounds + 3):
                begin = time.perf_counter()
                accepted = (await client.post("/api/v1/runs", json=spec)).json()
                async with client.stream("GET", accepted["stream_url"]) as stream:
                    async for line in stream.aiter_lines():
                        if line.startswith("event: "):
                            times.append((time.perf_counter() - begin) * 1000)
                            break
                await client.post(f"/api/v1/runs/{accepted['run_id']}/cancel")
            return times[3:]


def percentiles(values: list[float]) -> str:
    cuts = statistics.quantiles(values, n=100)
    return f"p50 {cuts[49]:.2f} ms, p99 {cuts[98]:.2f} ms"


async def compare(rounds: int, seconds: int) -> None:
    kinds: dict[str, Callable[[int, float], Awaitable[tuple[float, list[float]]]]] = {
        "ours": lambda count, rate: measure_own("ours", count, rate),
        "fastapi": lambda count, rate: measure_own("fastapi", count, rate),
    }
    if nchan_is_here():
        kinds["nchan"] = measure_nchan
    else:
        print("sse, nchan: SKIP (apt-get install libnginx-mod-nchan)")
    bursts: dict[str, list[float]] = {kind: [] for kind in kinds}
    steady: dict[str, list[float]] = {kind: [] for kind in kinds}
    for _ in range(rounds):
        for kind, measure in kinds.items():
            bursts[kind].append((await measure(BURST, 0))[0])
            steady[kind] += (await measure(RATE * seconds, RATE))[1]
    ours = statistics.median(bursts["ours"])
    for kind in kinds:
        rate = statistics.median(bursts[kind])
        beside = "" if kind == "ours" else f"; ours / {kind} = {ours / rate:.2f}"
        print(
            f"sse, burst {SUBSCRIBERS} × {BURST}, {kind}: {rate:,.0f} "
            f"deliveries/s{beside}"
        )
    middle = statistics.median(steady["ours"])
    for kind in kinds:
        ratio = middle / statistics.median(steady[kind])
        beside = "" if kind == "ours" else f"; p50 ours / {kind} = {ratio:.2f}"
        print(
            f"sse, {SUBSCRIBERS} × {RATE}/s, {kind}: "
            f"{percentiles(steady[kind])}{beside}"
        )


def client(rounds: int, seconds: int) -> None:
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(compare(rounds, seconds))
        took, rate = runner.run(storm())
        print(
            f"sse, {STORM} reconnects into a log of {LOG:,}, {MISSED} missed: "
            f"{took:.2f} s, {rate:,.0f} deliveries/s"
        )
        try:
            times = runner.run(first_event(20))
            print(
                f"sse, POST to first event, warm cache: {percentiles(times)} (target: "
                "p50 below 40 ms)"
            )
        except (ValueError, ConnectionError, httpx2.HTTPError) as error:
            print(f"sse, POST to first event: SKIP ({error!r})")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=5)
    arguments = parser.parse_args()
    client(arguments.rounds, arguments.seconds)


if __name__ == "__main__":
    main()
