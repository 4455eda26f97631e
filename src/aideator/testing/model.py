"""The scripted model: a server that speaks Anthropic's Messages API from a scenario file.

    python -m aideator.testing.model --scenario demo --port 0

It is what the keyless demo and the tests talk to; gateway, agent, sandbox and checks are the real ones. It is started
as a process (product code never imports this package), or inside a test with `scripted_model`.

Odd on purpose: it keeps one thing only, how often each lease has met a fault; everything else follows from the request
(see `scenario`). It holds agents to the protocol: a request that the API would refuse is refused (see `protocol`).
"""

import argparse
import asyncio
import json
import os
import socket
import sys
import threading
import uuid
from collections import Counter, deque
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from aideator.testing import protocol, wire
from aideator.testing.playback import Performance, Playback
from aideator.testing.protocol import Refused
from aideator.testing.scenario import Fault, Scenario, ScenarioError, load
from aideator.testing.script import Cue, cue

MODELS = {
    "claude-opus-5-5": "Claude Opus 5.5",
    "claude-sonnet-5-5": "Claude Sonnet 5.5",
    "claude-haiku-5-5": "Claude Haiku 5.5",
}
"""What `GET /v1/models` lists; a message may name any model."""

GARBAGE = b"<html><body>502 Bad Gateway</body></html>"

KEPT_HEADERS = frozenset(
    {"authorization", "x-api-key", "anthropic-version", "anthropic-beta", "content-type", "user-agent", "accept"},
)


@dataclass
class Recorded:
    """A request as it arrived."""

    method: str
    path: str
    headers: dict[str, str]
    """Those of `KEPT_HEADERS`, in lower case."""
    body: Any
    hung_up: bool = False
    """Whether the client went away before the answer was complete."""

    def mark_hung_up(self) -> None:
        """Note that the client left."""
        self.hung_up = True


@dataclass
class ScriptedModel:
    """A running server."""

    url: str
    requests: Sequence[Recorded]
    """The last 1,000 requests, oldest first."""


@dataclass
class Stage:
    """What a server plays, and the little that it remembers."""

    scenario: Scenario
    requests: deque[Recorded] = field(default_factory=lambda: deque(maxlen=1000))
    faults: Counter[tuple[str, int]] = field(default_factory=Counter)
    """(credential, turn) → requests that have met the turn's fault."""

    def fault(self, who: str, due: Cue) -> Fault | None:
        """The fault that this request meets, counted."""
        fault = due.turn.fault
        if fault is None:
            return None
        self.faults[who, due.number] += 1
        return fault if fault.times is None or self.faults[who, due.number] <= fault.times else None

    async def messages(self, request: Request) -> Response:
        """POST /v1/messages."""
        recorded, body = await self._received(request)
        who = protocol.caller(request.headers)
        body = protocol.check_request(request.headers, body)
        protocol.check_sampling(body)
        due = cue(self.scenario.lane(who.variation), list(protocol.rounds(body["messages"])))
        for call in due.turn.calls:
            protocol.check_call(call.name, call.input, body)
        answer = wire.message(due.turn, body, f"{who.variation}/{due.number}")
        fault = self.fault(who.credential, due)
        if fault and fault.status:
            return _failure(fault)
        wait = self.scenario.wait if due.turn.wait is None else due.turn.wait
        pace = self.scenario.pace if due.turn.pace is None else due.turn.pace
        show = _streamed(answer, fault) if body.get("stream") else _whole(answer, fault)
        return Playback(replace(show, wait=wait, pace=pace), recorded.mark_hung_up)

    async def count_tokens(self, request: Request) -> Response:
        """POST /v1/messages/count_tokens."""
        _, body = await self._received(request)
        protocol.caller(request.headers)
        body = protocol.check_request(request.headers, body)
        figures = wire.prompt_figures({**body, "cache_control": None})
        return JSONResponse({"input_tokens": figures.input_tokens}, headers=_request_id())

    async def models(self, request: Request) -> Response:
        """GET /v1/models."""
        await self._received(request)
        protocol.caller(request.headers)
        listed = [_model(name) for name in MODELS]
        page = {"data": listed, "has_more": False, "first_id": listed[0]["id"], "last_id": listed[-1]["id"]}
        return JSONResponse(page, headers=_request_id())

    async def _received(self, request: Request) -> tuple[Recorded, Any]:
        raw = await request.body()
        try:
            body = json.loads(raw) if raw else None
        except ValueError:
            body = None
        headers = {name: value for name, value in request.headers.items() if name in KEPT_HEADERS}
        recorded = Recorded(request.method, request.url.path, headers, body)
        self.requests.append(recorded)
        return recorded, body


def _streamed(answer: wire.Json, fault: Fault | None) -> Performance:
    headers = {"content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache", **_request_id()}
    chunks = [wire.encode(event) for event in wire.events(answer)]
    match fault:
        case Fault(garbage=True):
            return Performance({**headers, "content-type": "text/html"}, [GARBAGE])
        case Fault(cut_after=int(count)):
            return Performance(headers, chunks[:count], "cut")
        case Fault(stall_after=int(count)):
            return Performance(headers, chunks[:count], "stalled")
        case Fault(error_after=int(count)):
            error = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
            return Performance(headers, [*chunks[:count], wire.encode(error)])
    return Performance(headers, chunks)


def _whole(answer: wire.Json, fault: Fault | None) -> Performance:
    content = json.dumps(answer).encode()
    headers = {"content-type": "application/json", "content-length": str(len(content)), **_request_id()}
    match fault:
        case Fault(garbage=True):
            return Performance({"content-type": "text/html"}, [GARBAGE])
        case Fault(cut_after=int()) | Fault(error_after=int()):
            return Performance(headers, [content[: len(content) // 2]], "cut")
        case Fault(stall_after=int(count)):
            return Performance(headers, [content[: len(content) // 2]] if count else [], "stalled")
    return Performance(headers, [content])


def _failure(fault: Fault) -> Response:
    status = fault.status or 500
    headers = {**_request_id(), **fault.headers}
    if fault.body is not None:
        return Response(fault.body, status, {"content-type": "application/json", **headers})
    return _error(status, "Overloaded" if status == 529 else f"The scenario answers {status} here", headers)


def _error(status: int, message: str, headers: dict[str, str]) -> Response:
    error = {"type": protocol.ERROR_TYPES.get(status, "api_error"), "message": message}
    body = {"type": "error", "error": error, "request_id": headers["request-id"]}
    return JSONResponse(body, status, headers)


async def _refused(_: Request, error: Exception) -> Response:
    status = error.status if isinstance(error, Refused) else 500
    return _error(status, str(error), _request_id())


def _request_id() -> dict[str, str]:
    return {"request-id": f"req_{uuid.uuid4().hex[:24]}"}


def _model(name: str) -> wire.Json:
    return {
        "type": "model",
        "id": name,
        "display_name": MODELS[name],
        "created_at": "2026-01-01T00:00:00Z",
        "lifecycle": "active",
    }


def create_app(stage: Stage) -> Starlette:
    """The server as an ASGI application."""
    routes = [
        Route("/v1/messages", stage.messages, methods=["POST"]),
        Route("/v1/messages/count_tokens", stage.count_tokens, methods=["POST"]),
        Route("/v1/models", stage.models, methods=["GET"]),
    ]
    return Starlette(routes=routes, exception_handlers={Refused: _refused})


class _Server(uvicorn.Server):
    """Drops what is still playing when it stops: a stalled answer has no end to wait for."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for task in self.server_state.tasks:
            task.cancel()
        await super().shutdown(sockets)


class _EmbeddedServer(_Server):
    """Runs in a loop that belongs to someone else: it leaves the process's signals alone."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.up = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.up.set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _config(stage: Stage) -> uvicorn.Config:
    return uvicorn.Config(create_app(stage), log_config=None, access_log=False, lifespan="off")


def _listen(host: str, port: int) -> socket.socket:
    return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


@asynccontextmanager
async def scripted_model(scenario: Scenario | str | Path | dict[str, Any]) -> AsyncIterator[ScriptedModel]:
    """Serve a scenario on a free loopback port, in the present event loop.

    Args:
        scenario: the name of a shipped scenario, a YAML file, or its content.

    Yields:
        The server's URL and the requests that it has received.

    Raises:
        ScenarioError: if the scenario cannot be read.
    """
    stage = Stage(scenario if isinstance(scenario, Scenario) else load(scenario))
    server = _EmbeddedServer(_config(stage))
    listener = _listen("127.0.0.1", 0)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(server.serve([listener]))
        await server.up.wait()
        try:
            yield ScriptedModel(_url(listener), stage.requests)
        finally:
            server.should_exit = True


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until SIGTERM, SIGINT or, if asked, the end of standard input."""
    parser = argparse.ArgumentParser(prog="python -m aideator.testing.model", description="The scripted model server.")
    parser.add_argument("--scenario", required=True, help="a shipped scenario's name, or a YAML file")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--at-once", action="store_true", help="leave the scenario's delays out")
    parser.add_argument("--exit-with-parent", action="store_true", help="stop when standard input ends")
    options = parser.parse_args(arguments)
    try:
        scenario = load(options.scenario)
    except ScenarioError as error:
        parser.exit(2, f"{error}\n")
    server = _Server(_config(Stage(scenario.at_once() if options.at_once else scenario)))
    listener = _listen(options.host, options.port)
    if options.exit_with_parent:
        threading.Thread(target=_stop_at_end_of_input, args=[server], daemon=True).start()
    # The kernel queues connections from here on, so the line is true before the event loop runs.
    sys.stdout.write(f"listening on {_url(listener)}\n")
    sys.stdout.flush()
    server.run([listener])


def _stop_at_end_of_input(server: uvicorn.Server) -> None:
    # Not sys.stdin: a thread that holds its lock at exit would abort the interpreter.
    while os.read(0, 4096):
        continue
    server.should_exit = True


if __name__ == "__main__":
    main()
