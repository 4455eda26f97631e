"""Pass one request on to the provider; meter the answer on its way, and book it.

Bytes pass untouched in both directions. A stream under a budget is passed on in pieces
that end between two events, so that it can be stopped after each with an error event.
"""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

from aideator.domain.errors import AideatorError
from aideator.gateway.budget import Call, OverBudget
from aideator.gateway.events import EventPieces
from aideator.gateway.lease import Lease
from aideator.gateway.meter import Meter
from aideator.gateway.refusal import Message, Refusal, Send
from aideator.gateway.request import MESSAGES, Request
from aideator.gateway.upstream import Headers, StreamCut, Upstream, UpstreamResponse


@dataclass
class _Bill:
    """What is known of a call when it is booked.

    Attributes:
        status: The provider's status; 0 if no answer began.
        charged: Whether the provider charges for the call. A caller that hangs up
            before the answer begins is charged for its input.
        cut: Why the answer was stopped before its end.
    """

    meter: Meter
    status: int = 0
    charged: bool = True
    cut: OverBudget | None = None


async def forward(
    lease: Lease, request: Request, upstream: Upstream, send: Send
) -> list[Message]:
    """Pass a request on and send its answer, except for the end.

    Returns:
        The end of the answer, to be sent when nothing of the call is left here.

    Raises:
        Refusal: if no answer began.
        StreamCut: if the provider broke off in the middle of its answer.
    """
    if request.route != MESSAGES:
        async with _sent(lease, request, upstream) as answer:
            await send(_start(answer))
            async for chunk in answer.chunks:
                await send(_body(chunk))
        return [_body(b"", end=True)]
    call = request.reservation(lease.budget.caps)
    async with lease.budget.reserve(lease.number, call):
        return await _forward_billed(lease, request, call, upstream, send)


async def _forward_billed(
    lease: Lease, request: Request, call: Call, upstream: Upstream, send: Send
) -> list[Message]:
    bill = _Bill(_meter(request, []))
    try:
        async with _sent(lease, request, upstream) as answer:
            bill = _Bill(
                _meter(request, answer.headers),
                answer.status,
                charged=answer.status < 300,
            )
            await send(_start(answer))
            if not bill.meter.streaming:
                return await _relay_whole(answer, bill.meter, send)
            if lease.budget.is_capped:
                return await _relay_capped(answer, bill, lease, call, send)
            return await _relay_stream(answer, bill.meter, send)
    except Refusal:
        bill.charged = False
        raise
    finally:
        await _to_its_end(_book(lease, bill, call))


def _sent(lease: Lease, request: Request, upstream: Upstream) -> Any:
    if lease.base_url is not None:
        upstream = upstream.at(lease.base_url)
    method, _ = request.route
    return upstream.call(
        method, request.target, request.headers, request.body, lease.token
    )


async def _relay_whole(
    answer: UpstreamResponse, meter: Meter, send: Send
) -> list[Message]:
    """Hold the last chunk back until the call is booked: a stream has an end mark."""
    last = b""
    async for chunk in answer.chunks:
        meter.feed(chunk)
        if last:
            await send(_body(last))
        last = chunk
    meter.finish()
    return [_body(last, end=True)]


async def _relay_stream(
    answer: UpstreamResponse, meter: Meter, send: Send
) -> list[Message]:
    async for chunk in answer.chunks:
        meter.feed(chunk)
        await send(_body(chunk))
    meter.finish()
    return [_body(b"", end=True)]


async def _relay_capped(
    answer: UpstreamResponse, bill: _Bill, lease: Lease, call: Call, send: Send
) -> list[Message]:
    """Pass a stream on until it ends or has reached the end of the budget."""
    meter, pieces = bill.meter, EventPieces()
    try:
        async for chunk in answer.chunks:
            for piece in pieces.feed(chunk):
                meter.feed(piece)
                await send(_body(piece))
                bill.cut = _over_budget(lease, call, meter)
                if bill.cut is not None:
                    return _cut(bill.cut, pieces)
    except StreamCut:
        await send(_body(pieces.rest()))
        raise
    rest = pieces.rest()
    meter.feed(rest)
    meter.finish()
    return [_body(rest, end=True)]


def _over_budget(lease: Lease, call: Call, meter: Meter) -> OverBudget | None:
    """Update what the call has cost so far; return why it must stop, if it must.

    After the provider's final count nothing more is charged, so nothing is cut.
    """
    if meter.final:
        return None
    call.running = meter.running() or call.running
    return lease.budget.reached_by(lease.number)


def _cut(cut: OverBudget, pieces: EventPieces) -> list[Message]:
    if pieces.between_events:
        return [_body(cut.event(), end=True)]
    # In the middle of an event no other one can begin. Returning no end makes the
    # server drop the connection, which the caller sees as a broken answer.
    return []


def _start(answer: UpstreamResponse) -> Message:
    return {
        "type": "http.response.start",
        "status": answer.status,
        "headers": answer.headers,
    }


def _body(data: bytes, *, end: bool = False) -> Message:
    return {"type": "http.response.body", "body": data, "more_body": not end}


def _meter(request: Request, headers: Headers) -> Meter:
    streaming = any(
        name == b"content-type" and value.startswith(b"text/event-stream")
        for name, value in headers
    )
    return Meter(
        streaming=streaming,
        asked_model=request.model,
        request_bytes=len(request.body),
    )


async def _book(lease: Lease, bill: _Bill, call: Call) -> None:
    lease.last_error = _failure(bill)
    if bill.cut is not None:
        lease.remember(bill.cut)
    if not bill.charged:
        return
    try:
        await lease.book(bill.meter.usage(), bill.meter.model, call)
    except AideatorError as error:
        # Fenced: a newer attempt owns the variation, so usage cannot be recorded.
        lease.open = False
        lease.last_error = str(error)


def _failure(bill: _Bill) -> str | None:
    meter = bill.meter
    if bill.status >= 300:
        said = f": {meter.error}" if meter.error else ""
        return f"the model's server answered {bill.status}{said}"
    if meter.error is not None:
        return f"the model's server broke off: {meter.error}"
    if not meter.complete:
        return "the model's answer ended before it was complete"
    return None


async def _to_its_end(work: Coroutine[Any, Any, None]) -> None:
    """Finish `work` even when cancelled meanwhile.

    An agent may be gone before its last call is booked.
    """
    task = asyncio.create_task(work)  # noqa: TID251 - awaited below, never cancelled
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise
