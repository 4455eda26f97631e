"""Measure what the gateway adds to a model call, beside LiteLLM and Portkey.

    python bench/gateway.py

One fake provider answers at once; each proxy stands in its own process between it and
one raw HTTP client. Rounds are interleaved, and what counts is the median over the
direct call of the same round. A peer is measured when its variable says where it is:
BENCH_LITELLM=…/bin/litellm (from `litellm[proxy]`),
BENCH_PORTKEY=…/node_modules/@portkey-ai/gateway.
"""

import asyncio
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvicorn
from pydantic import SecretStr

from aideator.domain.usage import Budget, Usage
from aideator.gateway.app import CallLimits, open_gateway

MODEL = "claude-opus-5-5"
ROUNDS, CALLS = 3, 40
PATIENCE = 20
SMALL, LARGE = 1_000, 200_000
TARGET_MS, TARGET_LITELLM, TARGET_PORTKEY = 3.0, 0.2, 1.0

USAGE = {"input_tokens": 100, "output_tokens": 5}
MESSAGE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": MODEL,
    "content": [{"type": "text", "text": "hello"}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": USAGE,
}
EVENTS: list[dict[str, Any]] = [
    {
        "type": "message_start",
        "message": {**MESSAGE, "content": [], "stop_reason": None},
    },
    {
        "type": "content_block_start",
        "index": 0,
        "content_block": {"type": "text", "text": ""},
    },
    *(
        {
            "type": "content_block_delta",
            "index": 0,
            "delta": {"type": "text_delta", "text": "x"},
        }
        for _ in range(20)
    ),
    {"type": "content_block_stop", "index": 0},
    {
        "type": "message_delta",
        "delta": {"stop_reason": "end_turn", "stop_sequence": None},
        "usage": USAGE,
    },
    {"type": "message_stop"},
]
STREAM = [
    f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode()
    for event in EVENTS
]
JSON = json.dumps(MESSAGE).encode()

Send = Callable[[dict[str, Any]], Awaitable[None]]


async def provider(
    scope: dict[str, Any], receive: Callable[[], Awaitable[dict[str, Any]]], send: Send
) -> None:
    assert scope["type"] == "http"
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    streaming = b'"stream": true' in body or b'"stream":true' in body
    kind = b"text/event-stream" if streaming else b"application/json"
    headers = [(b"content-type", kind)] + (
        [] if streaming else [(b"content-length", b"%d" % len(JSON))]
    )
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    for piece in STREAM if streaming else [JSON]:
        await send(
            {"type": "http.response.body", "body": piece, "more_body": streaming}
        )
    if streaming:
        await send({"type": "http.response.body", "body": b""})


async def gateway(upstream: str, path: str) -> None:
    async def ignore(usage: Usage, model: str | None) -> None:
        pass

    async def nothing_spent() -> Mapping[int, Usage]:
        return {}

    limits = CallLimits(calls_per_minute=10_000_000)
    async with (
        open_gateway(
            socket=Path(path),
            base_url=upstream,
            api_key=SecretStr("sk-bench"),
            limits=limits,
        ) as opened,
        opened.lease(
            "run",
            1,
            Budget(run_usd=1e6),
            spending=nothing_spent,
            on_usage=ignore,
        ) as lease,
    ):
        print(lease.token, flush=True)
        await asyncio.Event().wait()


class CannotServe(Exception):
    """A proxy answered something else than 200."""


@dataclass
class Way:
    """One way from the client to the provider."""

    name: str
    address: str
    headers: dict[str, str]
    samples: dict[str, list[float]] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self.address.startswith("/"):
            return await asyncio.open_unix_connection(self.address, limit=2**20)
        host, _, port = self.address.partition(":")
        return await asyncio.open_connection(host, int(port), limit=2**20)

    async def measure(
        self, case: str, *, size: int, streaming: bool, at_once: int
    ) -> None:
        """Make a round of calls and keep their times in seconds."""
        samples: list[float] = []
        request = self._request(size, streaming=streaming)
        try:
            async with asyncio.timeout(PATIENCE), asyncio.TaskGroup() as tasks:
                for _ in range(at_once):
                    tasks.create_task(
                        self._loop(
                            request, CALLS // at_once, samples, streaming=streaming
                        )
                    )
        except* CannotServe as error:
            self.failures[case] = str(error.exceptions[0])
        except* TimeoutError:
            self.failures[case] = f"no end within {PATIENCE} s"
        else:
            self.samples.setdefault(case, []).extend(samples)

    def _request(self, size: int, *, streaming: bool) -> bytes:
        messages = [{"role": "user", "content": "x" * size}]
        body = json.dumps(
            {
                "model": MODEL,
                "max_tokens": 64,
                "stream": streaming,
                "messages": messages,
            }
        ).encode()
        fixed = {
            "host": "bench",
            "content-type": "application/json",
            "anthropic-version": "2023-06-01",
        }
        headers = {**fixed, **self.headers, "content-length": str(len(body))}
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        return f"POST /v1/messages HTTP/1.1\r\n{head}\r\n".encode() + body

    async def _loop(
        self, request: bytes, calls: int, samples: list[float], *, streaming: bool
    ) -> None:
        reader, writer = await self._connect()
        for _ in range(calls):
            began = time.perf_counter()
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            if not head.startswith(b"HTTP/1.1 200"):
                raise CannotServe(head.partition(b"\r\n")[0].decode())
            if streaming:
                await reader.readuntil(b"data:")
                samples.append(time.perf_counter() - began)
            await _skip_body(reader, head.lower())
            if not streaming:
                samples.append(time.perf_counter() - began)
        writer.close()


async def _skip_body(reader: asyncio.StreamReader, head: bytes) -> None:
    if b"transfer-encoding: chunked" in head:
        await reader.readuntil(b"\r\n0\r\n\r\n")
    else:
        _, _, rest = head.partition(b"content-length: ")
        await reader.readexactly(int(rest.partition(b"\r\n")[0]))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(*argv: str, **env: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        argv,
        env={**os.environ, **env},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait()


def wait_for(port: int, *, seconds: float = 90) -> None:
    end = time.monotonic() + seconds
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            if time.monotonic() > end:
                sys.exit(f"nothing listens on {port}")
            time.sleep(0.2)


@contextmanager
def litellm(upstream: str, folder: Path) -> Iterator[Way | None]:
    if (command := os.environ.get("BENCH_LITELLM")) is None:
        print("SKIP litellm: BENCH_LITELLM is not set")
        yield None
        return
    port = free_port()
    parameters = {
        "model": f"anthropic/{MODEL}",
        "api_base": upstream,
        "api_key": "sk-bench",
    }
    config = folder / "litellm.json"
    config.write_text(
        json.dumps(
            {"model_list": [{"model_name": MODEL, "litellm_params": parameters}]}
        )
    )
    allowed = {
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY": "true",
    }
    with running(
        command,
        "--config",
        str(config),
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        **allowed,
    ):
        wait_for(port)
        yield Way("litellm", f"127.0.0.1:{port}", {"x-api-key": "any"})


@contextmanager
def portkey(upstream: str) -> Iterator[Way | None]:
    if (package := os.environ.get("BENCH_PORTKEY")) is None:
        print("SKIP portkey: BENCH_PORTKEY is not set")
        yield None
        return
    port = free_port()
    with running(
        "node", f"{package}/build/start-server.js", f"--port={port}", "--headless"
    ):
        wait_for(port)
        chosen = {
            "x-portkey-provider": "anthropic",
            "x-portkey-custom-host": f"{upstream}/v1",
        }
        yield Way("portkey", f"127.0.0.1:{port}", {"x-api-key": "any", **chosen})


CASES: dict[str, dict[str, int]] = {
    "one at a time": {"size": SMALL, "streaming": False, "at_once": 1},
    "ten at once": {"size": SMALL, "streaming": False, "at_once": 10},
    "first byte": {"size": SMALL, "streaming": True, "at_once": 1},
    "first byte, 200 KB": {"size": LARGE, "streaming": True, "at_once": 1},
}


async def measure(ways: list[Way]) -> None:
    for way in ways:
        await way.measure("warm-up", size=SMALL, streaming=False, at_once=1)
    for _ in range(ROUNDS):
        for name, case in CASES.items():
            for way in ways:
                await way.measure(
                    name,
                    size=case["size"],
                    streaming=bool(case["streaming"]),
                    at_once=case["at_once"],
                )


def quantile(samples: list[float], part: float) -> float:
    return sorted(samples)[int(part * (len(samples) - 1))] * 1000


def report(direct: Way, others: list[Way]) -> None:
    for name in CASES:
        floor = direct.samples[name]
        print(
            f"{name}: direct p50 {quantile(floor, 0.5):.2f} ms, p99 "
            f"{quantile(floor, 0.99):.2f} ms"
        )
        added = {}
        for way in others:
            if name in way.failures:
                print(f"  SKIP {way.name}: {way.failures[name]}")
                continue
            samples = way.samples[name]
            added[way.name] = statistics.median(samples) * 1000 - quantile(floor, 0.5)
            tail = quantile(samples, 0.99) - quantile(floor, 0.99)
            print(
                f"  {way.name}: added p50 {added[way.name]:+.2f} ms, p99 {tail:+.2f} ms"
            )
        ours = added["aideator"]
        print(f"  target: aideator adds {ours:.2f} ms, may add {TARGET_MS} ms")
        for peer, target in (("litellm", TARGET_LITELLM), ("portkey", TARGET_PORTKEY)):
            if peer in added:
                print(
                    f"  ratio: aideator / {peer} = {ours / added[peer]:.2f} (target: "
                    f"at most {target})"
                )


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with ExitStack() as stack, tempfile.TemporaryDirectory(prefix="aid-") as name:
        folder, port, path = Path(name), free_port(), f"{name}/gateway.sock"
        upstream = f"http://127.0.0.1:{port}"
        stack.enter_context(running(sys.executable, __file__, "provider", str(port)))
        wait_for(port)
        ours = stack.enter_context(
            running(sys.executable, __file__, "gateway", upstream, path)
        )
        token = (ours.stdout.readline() if ours.stdout else "").strip()
        direct = Way("direct", f"127.0.0.1:{port}", {"x-api-key": "any"})
        peers = [
            stack.enter_context(litellm(upstream, folder)),
            stack.enter_context(portkey(upstream)),
        ]
        others = [
            Way("aideator", path, {"x-api-key": token}),
            *(peer for peer in peers if peer),
        ]
        asyncio.run(measure([direct, *others]))
        report(direct, others)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["provider", port]:
            uvicorn.run(
                provider,
                host="127.0.0.1",
                port=int(port),
                log_level="error",
                lifespan="off",
            )
        case ["gateway", upstream, path]:
            asyncio.run(gateway(upstream, path))
        case _:
            main()
