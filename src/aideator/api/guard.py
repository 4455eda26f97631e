"""The guard: refuse requests meant for another host, or sent by another site's page.

Every request passes it first, whatever its route. A page of another site can point its
own name at 127.0.0.1 (DNS rebinding) or post a form here (CSRF). The first is detected
by the Host header, the second by Origin and Sec-Fetch-Site:
https://fetch.spec.whatwg.org/#http-sec-fetch-site. Starlette's
TrustedHostMiddleware is not used: it refuses `[::1]:8000`.

Also here, because they apply to every answer: security headers, the limit on request
bodies, and metrics.
"""

import re
import time
from collections.abc import Iterable, Mapping
from ipaddress import ip_address
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from aideator.api.problems import SECURITY_HEADERS, problem
from aideator.observability import REQUESTS

MAX_BODY_BYTES = 2**20
"""The largest request body: a prompt of 100,000 characters with room for checks and a
lineup."""
_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::(\d{1,5}))?", re.IGNORECASE)
_SAFE = {"GET", "HEAD", "OPTIONS"}


def split_host(host: str) -> tuple[str, str]:
    """Return the name and the port of a Host header; both empty when it is malformed.

    The name is in lower case, an IPv6 address without brackets.
    """
    found = _HOST.fullmatch(host)
    if found is None:
        return "", ""
    return found[1].lower().strip("[]").removesuffix("."), found[2] or ""


def is_loopback_name(name: str) -> bool:
    """Return whether a host name or address always means this machine."""
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False


class Guard:
    """Refuse requests that are not meant for this server; add headers to answers."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        loopback: bool = True,
        hosts: Iterable[str] = (),
        origins: Iterable[str] = (),
        body_limits: Mapping[str, int] | None = None,
    ) -> None:
        """Set the rules.

        Args:
            app: The application behind the guard.
            loopback: Whether the server listens on loopback only.
            hosts: Names, besides loopback, under which it may be addressed. Beyond
                loopback, where every call needs a key anyway, an empty list allows all.
            origins: Origins of other pages that may change things.
            body_limits: Path → bytes of a body there, where it may have more than
                `MAX_BODY_BYTES`.
        """
        self._app = app
        self._any_host = not loopback and not hosts
        self._hosts = frozenset(host.lower() for host in hosts)
        self._origins = frozenset(origins)
        self._body_limits = dict(body_limits or {})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status = time.perf_counter(), 500

        async def mark(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            most = self._body_limits.get(scope["path"], MAX_BODY_BYTES)
            await (self._refusal(scope, most) or self._app)(
                scope, _limited(receive, most), mark
            )
        finally:
            route = _route(scope)
            if not route.endswith("/stream"):
                REQUESTS.labels(scope["method"], route, status).observe(
                    time.perf_counter() - started
                )

    def _refusal(self, scope: Scope, most: int) -> Response | None:
        headers = Headers(scope=scope)
        host = headers.getlist("host")
        if len(host) != 1 or not split_host(host[0])[0]:
            return problem(400, "the request needs one Host header that names a host")
        if not self._is_meant(host[0]):
            return problem(421, f"this server is not called {host[0]}")
        if scope["method"] not in _SAFE and not self._is_ours(
            headers, f"{scope['scheme']}://{host[0]}"
        ):
            return problem(403, "a page of another site sent this request")
        length = headers.get("content-length", "0")
        if length.isdecimal() and int(length[:20]) > most:
            return problem(413, _too_large(most))
        return None

    def _is_meant(self, host: str) -> bool:
        name, _ = split_host(host)
        return (
            self._any_host
            or is_loopback_name(name)
            or name in self._hosts
            or host.lower() in self._hosts
        )

    def _is_ours(self, headers: Headers, own: str) -> bool:
        origin = headers.get("origin")
        if origin is not None:
            # Behind a proxy that ends TLS, our own origin has another scheme than the
            # request.
            return (
                origin in self._origins
                or origin.partition("://")[2] == own.partition("://")[2]
            )
        return headers.get("sec-fetch-site", "none") in {"same-origin", "none"}


def _too_large(most: int) -> str:
    return f"a request may have {most:,} bytes here"


def _limited(receive: Receive, most: int) -> Receive:
    """Limit a body that does not declare its length.

    FastAPI's own limit answers with plain text.
    """
    size = 0

    async def limited() -> Message:
        nonlocal size
        message = await receive()
        size += len(message.get("body", b""))
        if size > most:
            raise HTTPException(413, _too_large(most))
        return message

    return limited


def _route(scope: Scope) -> str:
    # The template and not the path: metrics need few labels, and ids do not belong
    # there.
    route: Any = scope.get("route")
    return "" if route is None else str(route.path)
