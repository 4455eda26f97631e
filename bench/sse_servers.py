"""The servers that bench/sse.py measures; they take orders on standard input."""

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path

import uuid_utils
import uvicorn
import uvloop
from fastapi import FastAPI
from fastapi.sse import EventSourceResponse, ServerSentEvent

from aideator.api.server import listen, open_server, serve_app
from aideator.app import Aideator
from aideator.domain.events import AgentOutput, EventBody
from aideator.domain.run import Run, RunSpec, RunStatus, Variation
from aideator.eventlog.base import Draft
from aideator.eventlog.sql import open_event_log
from aideator.settings import Settings
from aideator.store import runs
from aideator.store.session import open_database
from aideator.testing import make_demo_repo, scripted_model

PAD = "The quick brown fox reads calc.py, finds the minus sign, and thinks. " * 2


def say(text: object) -> None:
    print(text, flush=True)


async def lines() -> AsyncIterator[list[str]]:
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    while line := await reader.readline():
        yield line.decode().split()


def body() -> EventBody:
    return AgentOutput(channel="thought", text=f"t={time.monotonic_ns()} {PAD}")


async def paced(count: int, rate: float) -> AsyncIterator[None]:
    begin = time.perf_counter()
    for n in range(count):
        yield
        if rate:
            await asyncio.sleep(max(0.0, begin + (n + 1) / rate - time.perf_counter()))


async def ours(home: Path) -> None:
    """Serve the product without an engine; a burst comes in appends of ten."""
    settings = Settings(_env_file=None, aideator_home=home)
    async with (
        open_database(settings.database) as database,
        open_event_log(database) as log,
    ):
        app = Aideator(settings, database, log, None)
        with listen("127.0.0.1", 0) as listener:
            async with serve_app(app, listener) as server:
                say(server.url.rpartition(":")[2])
                run_id = str(uuid_utils.uuid7())
                async for command, *words in lines():
                    if command == "run":
                        spec = RunSpec(
                            repo_url="/repo", prompt="Make addition add", variations=1
                        )
                        variations = [
                            Variation(run_id=run_id, number=1, spec=agent)
                            for agent in spec.agents()
                        ]
                        async with database.write() as session:
                            await runs.add(
                                session, Run(id=run_id, spec=spec), variations
                            )
                            await runs.move(session, run_id, RunStatus.RUNNING)
                        say(f"/api/v1/runs/{run_id}/stream")
                    elif command == "fill":
                        for _ in range(int(words[0]) // 500):
                            await log.append(
                                run_id, [Draft(body()) for _ in range(500)]
                            )
                        say("filled")
                    else:
                        count, rate = int(words[0]), float(words[1])
                        each = 1 if rate else 10
                        async for _ in paced(count // each, rate):
                            await log.append(
                                run_id, [Draft(body()) for _ in range(each)]
                            )


async def fastapi() -> None:
    """FastAPI's native stream over a list in memory."""
    app = FastAPI()
    log: list[dict[str, object]] = []
    bell = asyncio.Event()

    @app.get("/stream", response_class=EventSourceResponse)
    async def stream() -> AsyncIterator[ServerSentEvent]:
        cursor = 0
        while True:
            heard = bell
            for event in log[cursor:]:
                cursor += 1
                yield ServerSentEvent(data=event, event="agent_output", id=str(cursor))
            await heard.wait()

    with listen("127.0.0.1", 0) as listener:
        config = uvicorn.Config(
            app,
            http="httptools",
            ws="none",
            lifespan="off",
            access_log=False,
            log_config=None,
        )
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(uvicorn.Server(config).serve([listener]))
            say(listener.getsockname()[1])
            async for command, *words in lines():
                if command == "run":
                    say("/stream")
                    continue
                count, rate = int(words[0]), float(words[1])
                each = 1 if rate else 10
                async for _ in paced(count // each, rate):
                    log.extend(
                        {"seq": len(log) + k, "body": body().model_dump(mode="json")}
                        for k in range(each)
                    )
                    ringing, bell = bell, asyncio.Event()
                    ringing.set()
                    await asyncio.sleep(0)


async def work(home: Path) -> None:
    """The whole product: real sandboxes, a model that says nothing."""
    repo = make_demo_repo(home / "repo")["repo_url"]
    async with scripted_model("silent") as model:
        settings = Settings(
            _env_file=None,
            aideator_home=home / "state",
            aideator_port=0,
            anthropic_base_url=model.url,
            anthropic_api_key=None,
        )
        async with open_server(settings) as server:
            say(server.url.rpartition(":")[2])
            async for _ in lines():
                say(repo)


def run_server(kind: str) -> None:
    if kind != "work":
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    with (
        tempfile.TemporaryDirectory(prefix="aid-") as name,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        home = Path(name)
        home.chmod(0o711)
        match kind:
            case "ours":
                runner.run(ours(home))
            case "fastapi":
                runner.run(fastapi())
            case _:
                runner.run(work(home))


if __name__ == "__main__":
    run_server(sys.argv[1])
