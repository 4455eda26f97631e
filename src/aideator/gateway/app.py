"""The gateway: a pass-through proxy that holds the real key and enforces budgets.

It speaks the Anthropic Messages API. Plain ASGI: what a framework would add here costs
more than the whole of what is done.
"""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Coroutine, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
from pydantic import SecretStr

from aideator.domain.isolation import IsolationPolicy
from aideator.domain.usage import Budget
from aideator.gateway.budget import RunBudget, Spending
from aideator.gateway.forward import forward
from aideator.gateway.inspection import invalid
from aideator.gateway.lease import Lease, OnUsage
from aideator.gateway.prices import load_prices
from aideator.gateway.refusal import Message, Receive, Refusal, Scope, Send
from aideator.gateway.request import ROUTES, Request, read_request
from aideator.gateway.server import serve
from aideator.gateway.upstream import StreamCut, Upstream


@dataclass(frozen=True)
class CallLimits:
    """Limits on what callers may do.

    Attributes:
        body_bytes: The largest request body; Anthropic's own limit is 32 MiB.
        calls: Calls in flight, of all leases together.
        calls_per_lease: Calls in flight of one lease.
        calls_per_minute: Calls of one lease that may begin in a minute.
        body_seconds: Seconds that a request body may take to arrive.
        policy: Whether fields and betas may pass that `messages.toml` does not name.
    """

    body_bytes: int = 32 * 2**20
    calls: int = 512
    calls_per_lease: int = 16
    calls_per_minute: int = 600
    body_seconds: float = 60
    policy: IsolationPolicy = IsolationPolicy.ANY


SMALL_BODY_BYTES = 512 * 1024
"""A larger request is read in a thread: for milliseconds no stream would move."""


class _HungUp(Exception):
    """The caller closed its connection before its request had arrived."""


class Gateway:
    """Opens leases and answers the calls that are made with them."""

    def __init__(
        self,
        socket: Path,
        upstream: Upstream,
        limits: CallLimits,
    ) -> None:
        self.socket = socket
        self._reading = asyncio.Semaphore(1)
        self._upstream = upstream
        self._limits = limits
        self._leases: dict[str, Lease] = {}
        self._budgets: dict[str, RunBudget] = {}
        self._calls = 0

    @asynccontextmanager
    async def lease(
        self,
        run_id: str,
        number: int,
        caps: Budget,
        *,
        spending: Spending,
        on_usage: OnUsage,
    ) -> AsyncIterator[Lease]:
        """Let one agent call the model until the context ends.

        Calls that are in flight then are ended, too.

        Args:
            run_id: The run; the leases of one run share its budget.
            number: The variation within it, or `JUDGE`.
            caps: What the run and each variation may spend.
            spending: Reads from the database what the run has spent. Called only if
                the run has no open lease: from then on the gateway counts itself.
            on_usage: Called after each metered call, before the agent sees the end of
                its answer. What it is told must be what `spending` reads later.
        """
        await asyncio.to_thread(load_prices)
        token = f"lease-{number}-{secrets.token_urlsafe(24)}"
        async with self._shared_budget(run_id, caps, spending) as budget:
            lease = self._leases[token] = Lease(token, number, budget, on_usage)
            try:
                yield lease
            finally:
                lease.open = False
                del self._leases[token]
                for call in lease.tasks:
                    call.cancel()
                if lease.tasks:
                    await asyncio.wait(lease.tasks)

    @asynccontextmanager
    async def _shared_budget(
        self, run_id: str, caps: Budget, spending: Spending
    ) -> AsyncIterator[RunBudget]:
        """Share the run's budget among its leases.

        It is dropped after the last call of the last lease has been booked: whatever
        the database says after that includes it.
        """
        budget = self._budgets.setdefault(run_id, RunBudget(caps))
        budget.leases += 1
        try:
            await budget.fill(spending)
            yield budget
        finally:
            budget.leases -= 1
            if not budget.leases:
                del self._budgets[run_id]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request (ASGI)."""
        lease = self._lease_of(scope["headers"])
        if lease is None:
            ending = Refusal(
                401, "authentication_error", "this is not the token of an open lease"
            ).answer()
        else:
            ending = await self._answer(lease, scope, receive, send)
        for message in ending:
            await send(message)

    def _lease_of(self, headers: list[tuple[bytes, bytes]]) -> Lease | None:
        for name, value in headers:
            if name in (b"x-api-key", b"authorization", b"x-goog-api-key"):
                token = value.removeprefix(b"Bearer ").decode("latin-1")
                lease = self._leases.get(token)
                if lease is not None and lease.open:
                    return lease
        return None

    async def _answer(
        self, lease: Lease, scope: Scope, receive: Receive, send: Send
    ) -> list[Message]:
        """Answer a request and return the end of the answer."""
        try:
            route = (scope["method"], scope["raw_path"])
            if route not in ROUTES:
                raise Refusal(
                    404, "not_found_error", "this gateway offers the Messages API only"
                )
            with self._admitted(lease):
                body = await self._read_body(scope["headers"], receive)
                request = await self._read_request(route, scope, body)
                self._judge_unknown(lease, request.unknown)
                work = self._forward(lease, request, send)
                return await _unless_hung_up(receive, work, lease)
        except Refusal as refusal:
            lease.remember(refusal)
            return refusal.answer()
        except _HungUp:
            return []

    @contextmanager
    def _admitted(self, lease: Lease) -> Iterator[None]:
        limits = self._limits
        if self._calls >= limits.calls or lease.in_flight >= limits.calls_per_lease:
            raise Refusal(
                429, "rate_limit_error", "too many calls at once", retry_after=1
            )
        if not lease.rate.admit(limits.calls_per_minute, time.monotonic()):
            raise Refusal(
                429, "rate_limit_error", "too many calls in a minute", retry_after=2
            )
        self._calls += 1
        lease.in_flight += 1
        try:
            yield
        finally:
            self._calls -= 1
            lease.in_flight -= 1

    async def _read_body(
        self, headers: list[tuple[bytes, bytes]], receive: Receive
    ) -> bytes:
        most = self._limits.body_bytes
        too_large = Refusal(
            413, "request_too_large", f"a request may have {most} bytes"
        )
        declared = next(
            (value for name, value in headers if name == b"content-length"), b"0"
        )
        if int(declared) > most:
            raise too_large
        body = bytearray()
        try:
            async with asyncio.timeout(self._limits.body_seconds):
                async for piece in _pieces(receive):
                    body += piece
                    if len(body) > most:
                        raise too_large
        except TimeoutError:
            raise Refusal(
                408, "timeout_error", "the request did not arrive in time"
            ) from None
        return bytes(body)

    async def _read_request(
        self, route: tuple[str, bytes], scope: Scope, body: bytes
    ) -> Request:
        if len(body) <= SMALL_BODY_BYTES:
            return read_request(route, scope, body)
        # One at a time: a parsed body takes many times its bytes in memory.
        async with self._reading:
            return await asyncio.to_thread(read_request, route, scope, body)

    def _judge_unknown(self, lease: Lease, unknown: Sequence[str]) -> None:
        """Refuse what nobody has judged yet, or pass it on and say so.

        Agents learn new fields faster than `messages.toml` does, so by default they
        pass.
        """
        policy = self._limits.policy
        if unknown and policy is not IsolationPolicy.ANY:
            raise invalid(
                f"ISOLATION_POLICY={policy} refuses what the gateway does not "
                f"know: {unknown[0]}; leave it out"
            )
        lease.note_unknown(unknown)

    async def _forward(
        self, lease: Lease, request: Request, send: Send
    ) -> list[Message]:
        try:
            if not lease.open:
                raise Refusal(401, "authentication_error", "the lease has ended")
            return await forward(lease, request, self._upstream, send)
        except Refusal as refusal:
            lease.remember(refusal)
            return refusal.answer()
        except StreamCut as cut:
            # Returning without the last piece makes the server drop the connection: the
            # caller sees the cut.
            lease.last_error = str(cut)
            return []


async def _pieces(receive: Receive) -> AsyncIterator[bytes]:
    """Yield the pieces of a request's body.

    Raises:
        _HungUp: if the caller closes the connection before the end.
    """
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _HungUp
        yield message.get("body", b"")
        if not message.get("more_body", False):
            return


async def _unless_hung_up(
    receive: Receive, work: Coroutine[Any, Any, list[Message]], lease: Lease
) -> list[Message]:
    """Carry out `work`, and stop it when the caller hangs up.

    Stopping it closes the call to the model as well.
    """
    async with asyncio.TaskGroup() as tasks:
        call = tasks.create_task(work)
        watch = tasks.create_task(_stop_on_hang_up(receive, call))
        lease.tasks.add(call)
        call.add_done_callback(lease.tasks.discard)
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
    limits: CallLimits = CallLimits(),
    connect_seconds: float = 10,
    idle_seconds: float = 600,
) -> AsyncIterator[Gateway]:
    """Serve the gateway on a Unix socket until the context ends.

    Args:
        socket: Path of the socket; its mode is 0600.
        base_url: The provider; `/v1/messages` is appended.
        api_key: The real key. Without one the lease's own token goes upstream: a local
            or scripted model needs no key.
        limits: What callers may do.
        connect_seconds: Seconds that connecting to the provider may take.
        idle_seconds: Seconds of silence after which the provider's answer counts as
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
