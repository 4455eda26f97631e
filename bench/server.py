"""Measure the whole server: first event, latency of a model's byte, memory.

    python bench/server.py [--rounds 20]

Everything is real but the model: `aideator serve` as a process, agents in sandboxes,
Server-Sent Events over HTTP. The floor beside it is `GET /health/live` on the same
server: one HTTP request, no work.
"""

import argparse
import asyncio
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route

TOKENS, PACE = 200, 0.02
TARGET_FIRST_MS, TARGET_BYTE_MS, TARGET_IDLE_MB, TARGET_VARIATION_MB = (
    40.0,
    10.0,
    120.0,
    5.0,
)
MARK = "at="


def sse(kind: str, **data: object) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **data})}\n\n".encode()


async def answer(request: Request) -> StreamingResponse:
    """A model whose text deltas name the moment at which each was sent."""
    await request.body()

    async def stream() -> AsyncIterator[bytes]:
        usage = {"input_tokens": 10, "output_tokens": 1}
        message = {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "content": [],
            "model": "claude-opus-5-5",
        }
        yield sse(
            "message_start",
            message=message
            | {"usage": usage, "stop_reason": None, "stop_sequence": None},
        )
        yield sse(
            "content_block_start", index=0, content_block={"type": "text", "text": ""}
        )
        for _ in range(TOKENS):
            await asyncio.sleep(PACE)
            yield sse(
                "content_block_delta",
                index=0,
                delta={"type": "text_delta", "text": f"{MARK}{time.time()} "},
            )
        yield sse("content_block_stop", index=0)
        yield sse(
            "message_delta",
            delta={"stop_reason": "end_turn", "stop_sequence": None},
            usage={"output_tokens": 9},
        )
        yield sse("message_stop")

    return StreamingResponse(stream(), media_type="text/event-stream")


@asynccontextmanager
async def model() -> AsyncIterator[str]:
    app = Starlette(routes=[Route("/v1/messages", answer, methods=["POST"])])
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error"))
    async with asyncio.TaskGroup() as group:
        group.create_task(server.serve())
        while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
            await asyncio.sleep(0.01)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
        server.should_exit = True


@asynccontextmanager
async def aideator(home: Path, model_url: str) -> AsyncIterator[tuple[int, str]]:
    env = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "AIDEATOR_HOME": str(home / "state"),
    }
    env |= {
        "ANTHROPIC_BASE_URL": model_url,
        "MAX_VARIATIONS": "16",
        "MAX_PARALLEL_VARIATIONS": "16",
    }
    command = [sys.executable, "-m", "aideator", "serve", "--port", "0"]
    process = await asyncio.create_subprocess_exec(
        *command, env=env, cwd=home, stderr=subprocess.PIPE
    )
    assert process.stderr is not None
    try:
        while "serves http" not in (line := (await process.stderr.readline()).decode()):
            if not line:
                raise RuntimeError("the server did not start")
        yield process.pid, line.split("serves ")[1].split()[0]
    finally:
        process.terminate()
        await process.communicate()


def megabytes(pid: int) -> float:
    """Proportional set size of one process."""
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return (
        next(
            int(line.split()[1])
            for line in rollup.splitlines()
            if line.startswith("Pss:")
        )
        / 1024
    )


def submission(repo: Path, variations: int = 1) -> dict[str, object]:
    return {
        "repo_url": str(repo),
        "prompt": "Say what time it is",
        "variations": variations,
        "checks": [],
        "fresh": True,
    }


async def first_event(client: httpx2.AsyncClient, repo: Path) -> float:
    begun = time.perf_counter()
    run_id = (await client.post("/api/v1/runs", json=submission(repo))).json()["run_id"]
    async with client.stream("GET", f"/api/v1/runs/{run_id}/stream") as stream:
        async for line in stream.aiter_lines():
            if line.startswith("data: "):
                took = (time.perf_counter() - begun) * 1000
                break
    await client.post(f"/api/v1/runs/{run_id}/cancel")
    return took


async def delays(client: httpx2.AsyncClient, repo: Path) -> list[float]:
    """Return the milliseconds from a token's departure to its arrival on the stream."""
    run_id = (await client.post("/api/v1/runs", json=submission(repo))).json()["run_id"]
    found = []
    async with client.stream(
        "GET", f"/api/v1/runs/{run_id}/stream", timeout=60
    ) as stream:
        async for line in stream.aiter_lines():
            if line.startswith("data: ") and MARK in line:
                heard = time.time()
                text = json.loads(line[6:])["body"].get("text", "")
                found += [
                    (heard - float(word.removeprefix(MARK))) * 1000
                    for word in text.split()
                    if MARK in word
                ]
    return found


async def weight(
    client: httpx2.AsyncClient, repo: Path, pid: int, variations: int
) -> float:
    """Megabytes of the server for each variation that is at work."""
    before = megabytes(pid)
    run_id = (
        await client.post("/api/v1/runs", json=submission(repo, variations))
    ).json()["run_id"]
    talking: set[int] = set()
    async with client.stream(
        "GET", f"/api/v1/runs/{run_id}/stream", timeout=120
    ) as stream:
        async for line in stream.aiter_lines():
            if line.startswith("data: ") and MARK in line:
                talking.add(json.loads(line[6:])["variation_id"])
                if len(talking) >= variations:
                    break
    grown = (megabytes(pid) - before) / variations
    await client.post(f"/api/v1/runs/{run_id}/cancel", timeout=60)
    return grown


async def main(home: Path, repo: Path, rounds: int) -> None:
    async with (
        model() as url,
        aideator(home, url) as (pid, server),
        httpx2.AsyncClient(base_url=server) as client,
    ):
        await measure(client, repo, pid, rounds)


def make_repository(repo: Path) -> None:
    repo.mkdir()
    (repo / "file.txt").write_text("hello\n")
    git = ["git", "-c", "user.name=b", "-c", "user.email=b@example.org"]
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "first"]):
        subprocess.run([*git, *command], cwd=repo, check=True)


async def measure(
    client: httpx2.AsyncClient, repo: Path, pid: int, rounds: int
) -> None:
    idle = megabytes(pid)
    await first_event(client, repo)  # warms the cache
    floor, first = [], []
    for _ in range(rounds):
        begun = time.perf_counter()
        await client.get("/health/live")
        floor.append((time.perf_counter() - begun) * 1000)
        first.append(await first_event(client, repo))
    heard = sorted(await delays(client, repo))
    each = await weight(client, repo, pid, 8)
    p50, p99 = statistics.median(heard), heard[int(0.99 * (len(heard) - 1))]
    post = statistics.median(first)
    print(
        f"POST → first event         p50 {post:6.1f} ms   target < "
        f"{TARGET_FIRST_MS:.0f}   "
        f"{post / statistics.median(floor):.0f} × an empty request "
        f"({statistics.median(floor):.1f} ms)"
    )
    print(
        f"model's byte → SSE reader  p50 {p50:6.1f} ms   target < "
        f"{TARGET_BYTE_MS:.0f}   p99 {p99:.1f} ms"
    )
    print(f"server, idle               {idle:8.1f} MB   target < {TARGET_IDLE_MB:.0f}")
    print(
        f"each running variation     {each:8.1f} MB   target < "
        f"{TARGET_VARIATION_MB:.0f}"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=20)
    place = Path(tempfile.mkdtemp(prefix="aid-bench-"))
    place.chmod(0o711)
    try:
        make_repository(place / "repo")
        asyncio.run(main(place, place / "repo", parser.parse_args().rounds))
    finally:
        shutil.rmtree(place, ignore_errors=True)
