"""A pass-through proxy for the Anthropic Messages API that holds the real key, meters and enforces budgets.

Plain ASGI: what a framework would add here costs more than the whole of what is done.
"""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
from pydantic import SecretStr

from aideator.domain.errors import AideatorError
from aideator.domain.usage import Budget, Usage
from aideator.gateway.budget import (
    UNSPENT,
    Account,
    Estimate,
    Lease,
    OnUsage,
    OverBudget,
    Purse,
)
from aideator.gateway.meter import Meter, tokens_in
from aideator.gateway.prices import estimate, load_prices
from aideator.gateway.refusal import Message, Receive, Refusal, Scope, Send
from aideator.gateway.server import serve
from aideator.gateway.upstream import StreamCut, Upstream

MESSAGES = ("POST", b"/v1/messages")
ROUTES = frozenset(
    {MESSAGES, ("POST", b"/v1/messages/count_tokens"), ("GET", b"/v1/models")}
)
"""All that can be reached. No files API: an allowed host that stores files is a way out
for stolen ones."""

TOOLS = ("custom", "bash_", "text_editor_", "computer_", "memory_", "tool_search_")
"""Beginnings of the tool types that the caller itself carries out. The others
(web_fetch, code_execution …) run at the provider."""


@dataclass(frozen=True)
class Limits:
    """What callers may do at once.

    Attributes:
        body_bytes: The largest request body; Anthropic's own limit is 32 MiB.
        calls: Calls under way, of all leases together.
        calls_per_lease: Calls under way of one lease.
        calls_per_minute: Calls of one lease that may begin in a minute.
        body_seconds: How long a request body may take to arrive.
    """

    body_bytes: int = 32 * 2**20
    calls: int = 512
    calls_per_lease: int = 16
    calls_per_minute: int = 600
    body_seconds: float = 60


@dataclass(frozen=True)
class _Call:
    """One request, read to its end."""

    route: tuple[str, bytes]
    target: bytes
    headers: list[tuple[bytes, bytes]]
    body: bytes
    model: str = ""
    max_tokens: int = 0


class Gateway:
    """Gives out leases and answers the calls that are made with them."""

    def __init__(self, socket: Path, upstream: Upstream, limits: Limits) -> None:
        self.socket = socket
        self._upstream = upstream
        self._limits = limits
        self._leases: dict[str, Lease] = {}
        self._purses: dict[str, Purse] = {}
        self._calls = 0

    @asynccontextmanager
    async def lease(
        self,
        run_id: str,
        variation_id: int,
        budget: Budget,
        *,
        spent: Usage = UNSPENT,
        run_spent: Usage = UNSPENT,
        on_usage: OnUsage,
    ) -> AsyncIterator[Lease]:
        """Let one agent call the model until the context ends; calls under way then are ended too.

        Args:
            run_id: The run; the leases of one run share its caps.
            variation_id: The variation within it.
            budget: What the run and the variation may spend.
            spent: What earlier attempts of this variation have spent.
            run_spent: What the run's *other* variations have spent as far as they hold
                no lease here now, for instance because they ended earlier. Only looked
                at by the first of a run's leases.
            on_usage: Called after each metered call, before the agent sees the end of
                its answer.
        """
        await asyncio.to_thread(load_prices)
        purse = self._purses.get(run_id)
        if purse is None:
            run = Account("run", budget.run_usd, budget.run_tokens, run_spent)
            purse = self._purses[run_id] = Purse(budget, run)
        token = f"lease-{variation_id}-{secrets.token_urlsafe(24)}"
        lease = Lease(
            token,
            run_id,
            variation_id,
            purse,
            purse.account(variation_id, spent),
            on_usage,
        )
        self._leases[token] = lease
        purse.leases += 1
        try:
            yield lease
        finally:
            lease.open = False
            del self._leases[token]
            purse.leases -= 1
            if not purse.leases:
                del self._purses[run_id]
            for call in lease.calls:
                call.cancel()
            if lease.calls:
                await asyncio.wait(lease.calls)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request (ASGI)."""
        try:
            lease = self._lease_of(scope["headers"])
            route = (scope["method"], scope["raw_path"])
            if route not in ROUTES:
                raise Refusal(
                    404, "not_found_error", "this gateway offers the Messages API only"
                )
            with self._admitted(lease):
                body = await self._read_body(scope["headers"], receive)
                call = _read_call(route, scope, body)
                ending = await _unless_hung_up(
                    receive, self._serve(lease, call, send), lease
                )
        except Refusal as refusal:
            ending = refusal.answer()
        for message in ending:
            await send(message)

    def _lease_of(self, headers: list[tuple[bytes, bytes]]) -> Lease:
        for name, value in headers:
            if name in (b"x-api-key", b"authorization", b"x-goog-api-key"):
                token = value.removeprefix(b"Bearer ").decode("latin-1")
                if (lease := self._leases.get(token)) and lease.open:
                    return lease
        raise Refusal(
            401, "authentication_error", "this is not the token of an open lease"
        )

    @contextmanager
    def _admitted(self, lease: Lease) -> Iterator[None]:
        if (
            self._calls >= self._limits.calls
            or lease.under_way >= self._limits.calls_per_lease
        ):
            raise Refusal(
                429, "rate_limit_error", "too many calls at once", retry_after=1
            )
        if not lease.pace.admit(self._limits.calls_per_minute):
            raise Refusal(
                429, "rate_limit_error", "too many calls in a minute", retry_after=2
            )
        self._calls += 1
        lease.under_way += 1
        try:
            yield
        finally:
            self._calls -= 1
            lease.under_way -= 1

    async def _read_body(
        self, headers: list[tuple[bytes, bytes]], receive: Receive
    ) -> bytes:
        too_large = Refusal(
            413,
            "request_too_large",
            f"a request may have {self._limits.body_bytes} bytes",
        )
        declared = next(
            (value for name, value in headers if name == b"content-length"), b"0"
        )
        if int(declared) > self._limits.body_bytes:
            raise too_large
        body = bytearray()
        try:
            async with asyncio.timeout(self._limits.body_seconds):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise Refusal(408, "timeout_error", "the request broke off")
                    body += message.get("body", b"")
                    if len(body) > self._limits.body_bytes:
                        raise too_large
                    if not message.get("more_body", False):
                        return bytes(body)
        except TimeoutError:
            raise Refusal(
                408, "timeout_error", "the request did not arrive in time"
            ) from None

    async def _serve(self, lease: Lease, call: _Call, send: Send) -> list[Message]:
        """Pass a call on and return the end of its answer, to be sent when nothing of the call is left here."""
        try:
            if not lease.open:
                raise Refusal(401, "authentication_error", "the lease has ended")
            if call.route == MESSAGES:
                expected = _expected_cost(call, lease.purse.budget)
                async with lease.purse.reserve(lease.account, expected):
                    return await self._pass(lease, call, send)
            return await self._pass(lease, call, send)
        except Refusal as refusal:
            lease.exhausted |= isinstance(refusal, OverBudget)
            lease.last_error = str(refusal)
            return refusal.answer()
        except StreamCut as cut:
            # Returning without the last piece makes the server drop the connection: the
            # caller sees the cut.
            lease.last_error = str(cut)
            return []

    async def _pass(self, lease: Lease, call: _Call, send: Send) -> list[Message]:
        method, _ = call.route
        meter: Meter | None = None
        # A caller that hangs up before the answer begins has still been charged for its
        # input by the provider.
        charged = True
        status = 0
        last = b""
        try:
            upstream = (
                self._upstream
                if lease.base_url is None
                else self._upstream.at(lease.base_url)
            )
            async with upstream.call(
                method, call.target, call.headers, call.body, lease.token
            ) as answer:
                status = answer.status
                charged = status < 300
                meter = _meter(call, answer.headers)
                await send(
                    {
                        "type": "http.response.start",
                        "status": status,
                        "headers": answer.headers,
                    }
                )
                async for chunk in answer.chunks:
                    meter.feed(chunk)
                    # The end of a whole answer is held back until the call is booked; a
                    # stream has its own end mark.
                    ready, last = (chunk, b"") if meter.streaming else (last, chunk)
                    await send(
                        {"type": "http.response.body", "body": ready, "more_body": True}
                    )
                meter.finish()
        except Refusal:
            charged = False
            raise
        finally:
            if call.route == MESSAGES:
                await _to_its_end(
                    _book(lease, meter or _meter(call, []), status, charged=charged)
                )
        return [{"type": "http.response.body", "body": last}]


def _meter(call: _Call, headers: list[tuple[bytes, bytes]]) -> Meter:
    streaming = any(
        name == b"content-type" and value.startswith(b"text/event-stream")
        for name, value in headers
    )
    return Meter(
        streaming=streaming, asked_model=call.model, request_bytes=len(call.body)
    )


async def _book(lease: Lease, meter: Meter, status: int, *, charged: bool) -> None:
    if status >= 300:
        lease.last_error = f"the model's server answered {status}" + (
            f": {meter.error}" if meter.error else ""
        )
    elif meter.error is not None:
        lease.last_error = f"the model's server broke off: {meter.error}"
    elif not meter.complete:
        lease.last_error = "the model's answer ended before it was complete"
    else:
        lease.last_error = None
    if not charged:
        return
    try:
        await lease.pay(meter.usage(), meter.model)
    except AideatorError as error:
        # Whoever keeps the books no longer takes this lease's: a newer attempt has the
        # variation.
        lease.open = False
        lease.last_error = str(error)


async def _to_its_end(work: Coroutine[Any, Any, None]) -> None:
    """Finish `work` even when cancelled meanwhile: an agent may be gone before its last call is booked."""
    task = asyncio.create_task(work)  # noqa: TID251 - owned here: awaited in any case, but never cancelled
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise


def _read_call(route: tuple[str, bytes], scope: Scope, body: bytes) -> _Call:
    query = scope["query_string"]
    target = scope["raw_path"] + (b"?" + query if query else b"")
    if route != MESSAGES:
        return _Call(route, target, scope["headers"], body)
    try:
        asked = json.loads(body)
    except (ValueError, RecursionError):
        asked = None
    if not isinstance(asked, dict):
        raise Refusal(400, "invalid_request_error", "the body is not a JSON object")
    _refuse_ways_out(asked)
    model, max_tokens = asked.get("model"), asked.get("max_tokens")
    return _Call(
        route,
        target,
        scope["headers"],
        body,
        model if isinstance(model, str) else "",
        max(0, max_tokens) if isinstance(max_tokens, int) else 0,
    )


def _refuse_ways_out(asked: dict[str, Any]) -> None:
    """Refuse what would run at the provider and reach out from there: a sandbox has no network, by no detour either."""
    tools = asked.get("tools")
    kinds = (
        [tool.get("type", "custom") for tool in tools if isinstance(tool, dict)]
        if isinstance(tools, list)
        else []
    )
    outside = [
        kind for kind in kinds if not (isinstance(kind, str) and kind.startswith(TOOLS))
    ]
    if asked.get("mcp_servers"):
        outside.append("mcp_servers")
    if outside:
        raise Refusal(
            403,
            "permission_error",
            f"{outside[0]} reaches out of the sandbox from the provider; leave it out",
        )


def _expected_cost(call: _Call, budget: Budget) -> Estimate:
    given = tokens_in(len(call.body))
    capped = budget.run_usd is not None or budget.variation_usd is not None
    return Estimate(
        given + call.max_tokens,
        estimate(call.model, given, call.max_tokens) if capped else None,
    )


async def _unless_hung_up(
    receive: Receive, work: Coroutine[Any, Any, list[Message]], lease: Lease
) -> list[Message]:
    """Carry out `work`, and stop it when the caller hangs up: that closes the call to the model as well."""
    async with asyncio.TaskGroup() as tasks:
        call = tasks.create_task(work)
        watch = tasks.create_task(_stop_on_hang_up(receive, call))
        lease.calls.add(call)
        call.add_done_callback(lease.calls.discard)
        call.add_done_callback(lambda _: watch.cancel())
    return [] if call.cancelled() else call.result()


async def _stop_on_hang_up(receive: Receive, call: asyncio.Task[list[Message]]) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    call.cancel()


@asynccontextmanager
async def open_gateway(
    *,
    socket: Path,
    base_url: str = "https://api.anthropic.com",
    api_key: SecretStr | None = None,
    limits: Limits = Limits(),
    connect_seconds: float = 10,
    idle_seconds: float = 600,
) -> AsyncIterator[Gateway]:
    """Serve the gateway on a Unix socket until the context ends.

    Args:
        socket: Where the socket is made, mode 0600.
        base_url: The provider; `/v1/messages` is appended.
        api_key: The real key. Without one the lease's own token goes upstream: a local
            or scripted model needs no key.
        limits: What callers may do at once.
        connect_seconds: How long connecting to the provider may take.
        idle_seconds: How long the provider may be silent before its answer counts as
            broken off.

    Raises:
        OSError: if the socket cannot be made.
    """
    timeout = httpx2.Timeout(idle_seconds, connect=connect_seconds)
    pool = httpx2.Limits(
        max_connections=limits.calls, max_keepalive_connections=64, keepalive_expiry=60
    )
    async with httpx2.AsyncClient(timeout=timeout, limits=pool) as client:
        gateway = Gateway(socket, Upstream(client, base_url, api_key), limits)
        async with serve(gateway, socket, connections=4 * limits.calls):
            yield gateway
