"""Endpoints of the scripted model: the turn that is due, and the fault in it.

The only state is the requests that tests read, and how often each lease has met a
fault.
"""

import json
import uuid
from collections import Counter, deque
from dataclasses import dataclass, field, replace
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from aideator.testing.model import protocol, wire
from aideator.testing.model.playback import ResponsePlan, TimedResponse
from aideator.testing.model.protocol import InvalidRequest
from aideator.testing.model.scenario import Fault, Scenario
from aideator.testing.model.script import DueTurn, due_turn

MODELS = {
    "claude-opus-5-5": "Claude Opus 5.5",
    "claude-sonnet-5-5": "Claude Sonnet 5.5",
    "claude-haiku-5-5": "Claude Haiku 5.5",
}
"""Models that `GET /v1/models` lists; a message may name any model."""

GARBAGE = b"<html><body>502 Bad Gateway</body></html>"

KEPT_HEADERS = frozenset(
    {
        "authorization",
        "x-api-key",
        "anthropic-version",
        "anthropic-beta",
        "content-type",
        "user-agent",
        "accept",
    },
)


@dataclass
class Recorded:
    """A received request."""

    method: str
    path: str
    headers: dict[str, str]
    """Those of `KEPT_HEADERS`, in lower case."""
    body: Any
    hung_up: bool = False
    """Whether the client disconnected before the answer was complete."""

    def mark_hung_up(self) -> None:
        """Record that the client disconnected."""
        self.hung_up = True


@dataclass
class ModelApi:
    """A scenario with its endpoints."""

    scenario: Scenario
    requests: deque[Recorded] = field(default_factory=lambda: deque(maxlen=1000))
    faults: Counter[tuple[str, int]] = field(default_factory=Counter)
    """(credential, turn) → requests that have met the turn's fault."""

    def fault(self, who: str, due: DueTurn) -> Fault | None:
        """Count and return the fault that this request meets, if any."""
        fault = due.turn.fault
        if fault is None:
            return None
        self.faults[who, due.number] += 1
        is_over = fault.times is not None and self.faults[who, due.number] > fault.times
        return None if is_over else fault

    async def messages(self, request: Request) -> Response:
        """POST /v1/messages."""
        recorded, body = await self._received(request)
        who = protocol.caller(request.headers)
        body = protocol.check_request(request.headers, body)
        protocol.check_sampling(body)
        due = due_turn(
            self.scenario.lane(who.variation), list(protocol.rounds(body["messages"]))
        )
        for call in due.turn.calls:
            protocol.check_call(call.name, call.input, body)
        answer = wire.message(due.turn, body)
        fault = self.fault(who.credential, due)
        if fault and fault.status:
            return _failure(fault)
        wait = self.scenario.wait if due.turn.wait is None else due.turn.wait
        pace = self.scenario.pace if due.turn.pace is None else due.turn.pace
        show = _streamed(answer, fault) if body.get("stream") else _whole(answer, fault)
        return TimedResponse(replace(show, wait=wait, pace=pace), recorded.mark_hung_up)

    async def count_tokens(self, request: Request) -> Response:
        """POST /v1/messages/count_tokens."""
        _, body = await self._received(request)
        protocol.caller(request.headers)
        body = protocol.check_request(request.headers, body)
        figures = wire.prompt_figures({**body, "cache_control": None})
        return JSONResponse(
            {"input_tokens": figures.input_tokens}, headers=_request_id()
        )

    async def models(self, request: Request) -> Response:
        """GET /v1/models. It is not recorded: the platform tries a model's server."""
        protocol.caller(request.headers)
        listed = [_model(name) for name in MODELS]
        page = {
            "data": listed,
            "has_more": False,
            "first_id": listed[0]["id"],
            "last_id": listed[-1]["id"],
        }
        return JSONResponse(page, headers=_request_id())

    async def _received(self, request: Request) -> tuple[Recorded, Any]:
        raw = await request.body()
        try:
            body = json.loads(raw) if raw else None
        except ValueError:
            body = None
        headers = {
            name: value
            for name, value in request.headers.items()
            if name in KEPT_HEADERS
        }
        recorded = Recorded(request.method, request.url.path, headers, body)
        self.requests.append(recorded)
        return recorded, body


def _streamed(answer: wire.Json, fault: Fault | None) -> ResponsePlan:
    headers = {
        "content-type": "text/event-stream; charset=utf-8",
        "cache-control": "no-cache",
        **_request_id(),
    }
    chunks = [wire.encode(event) for event in wire.events(answer)]
    match fault:
        case Fault(garbage=True):
            return ResponsePlan({**headers, "content-type": "text/html"}, [GARBAGE])
        case Fault(cut_after=int(count)):
            return ResponsePlan(headers, chunks[:count], "cut")
        case Fault(stall_after=int(count)):
            return ResponsePlan(headers, chunks[:count], "stalled")
        case Fault(error_after=int(count)):
            error = {
                "type": "error",
                "error": {"type": "overloaded_error", "message": "Overloaded"},
            }
            return ResponsePlan(headers, [*chunks[:count], wire.encode(error)])
    return ResponsePlan(headers, chunks)


def _whole(answer: wire.Json, fault: Fault | None) -> ResponsePlan:
    content = json.dumps(answer).encode()
    headers = {
        "content-type": "application/json",
        "content-length": str(len(content)),
        **_request_id(),
    }
    match fault:
        case Fault(garbage=True):
            return ResponsePlan({"content-type": "text/html"}, [GARBAGE])
        case Fault(cut_after=int()) | Fault(error_after=int()):
            return ResponsePlan(headers, [content[: len(content) // 2]], "cut")
        case Fault(stall_after=int(count)):
            return ResponsePlan(
                headers, [content[: len(content) // 2]] if count else [], "stalled"
            )
    return ResponsePlan(headers, [content])


def _failure(fault: Fault) -> Response:
    status = fault.status or 500
    headers = {**_request_id(), **fault.headers}
    if fault.body is not None:
        return Response(
            fault.body, status, {"content-type": "application/json", **headers}
        )
    return _error(
        status,
        "Overloaded" if status == 529 else f"The scenario answers {status} here",
        headers,
    )


def _error(status: int, message: str, headers: dict[str, str]) -> Response:
    error = {"type": protocol.ERROR_TYPES.get(status, "api_error"), "message": message}
    body = {"type": "error", "error": error, "request_id": headers["request-id"]}
    return JSONResponse(body, status, headers)


async def _invalid(_: Request, error: Exception) -> Response:
    status = error.status if isinstance(error, InvalidRequest) else 500
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


def create_app(api: ModelApi) -> Starlette:
    """Create the server's ASGI application."""
    routes = [
        Route("/v1/messages", api.messages, methods=["POST"]),
        Route("/v1/messages/count_tokens", api.count_tokens, methods=["POST"]),
        Route("/v1/models", api.models, methods=["GET"]),
    ]
    return Starlette(routes=routes, exception_handlers={InvalidRequest: _invalid})
