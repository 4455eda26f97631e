"""Serve previews: one host name for each, handled before the API and the page.

What a sandbox serves is hostile, and development servers need a whole origin with paths
of their own. So each preview has an origin that cannot be guessed, which is the only
credential it needs; a request to such a name never reaches the API or the page. A
Content-Security-Policy keeps the browser within that origin, as long as it is shown in
a frame of the page: in a tab of its own, a script could navigate elsewhere with what it
knows, so there it is not shown.
"""

import asyncio
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from html import escape

import h11
from starlette.datastructures import Headers
from starlette.responses import HTMLResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from aideator.api.guard import is_loopback_name, split_host
from aideator.app import Aideator
from aideator.domain.errors import AideatorError, PortNotOpen
from aideator.workbench.preview import LivePreview
from aideator.workbench.service import workbench_of

HEAD_BYTES, REQUEST_BYTES, ANSWER_BYTES = 64 * 2**10, 32 * 2**20, 512 * 2**20
"""The most that headers, a request's body and an answer's may have."""
HEAD_SECONDS = 120.0
"""How long an answer may take to begin: a development server compiles when it is first
asked."""
_PIECE = 64 * 2**10
_LABEL = re.compile(r"[0-9a-f]{32}")
_COOKIE_SCOPE = re.compile(rb"(?i);\s*(domain|samesite|secure|partitioned)\b[^;]*")
"""Attributes of cookies that are replaced: in a frame of another site, a browser keeps
cookies only with those of `_COOKIE_ATTRIBUTES`."""
_COOKIE_ATTRIBUTES = b"; SameSite=None; Secure; Partitioned"


def _names(text: str) -> frozenset[bytes]:
    return frozenset(text.encode().split())


_HOP_BY_HOP = _names(
    """connection keep-alive proxy-authenticate proxy-authorization proxy-connection te
    trailer transfer-encoding upgrade"""
)
_NOT_FORWARDED = _HOP_BY_HOP | _names(
    """host origin referer expect content-length forwarded x-forwarded-for
    x-forwarded-host x-forwarded-proto"""
)
"""Headers of requests that are dropped or replaced."""
_NOT_RETURNED = _HOP_BY_HOP | _names(
    """content-security-policy content-security-policy-report-only x-frame-options
    cross-origin-resource-policy cross-origin-opener-policy
    cross-origin-embedder-policy referrer-policy permissions-policy cache-control
    x-content-type-options x-dns-prefetch-control service-worker-allowed refresh link
    alt-svc clear-site-data strict-transport-security date server report-to
    reporting-endpoints nel"""
)
"""Headers of answers that are dropped or replaced."""
_POLICY = (
    "sandbox allow-scripts allow-forms allow-same-origin allow-modals; "
    "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; "
    "form-action 'self'; base-uri 'self'; frame-ancestors {page}"
)
_DENIED_FEATURES = [
    "accelerometer",
    "camera",
    "display-capture",
    "geolocation",
    "gyroscope",
    "hid",
    "microphone",
    "midi",
    "payment",
    "publickey-credentials-get",
    "screen-wake-lock",
    "serial",
    "usb",
    "xr-spatial-tracking",
]
_ALWAYS = {
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-DNS-Prefetch-Control": "off",
    "Cache-Control": "no-store",
    "Permissions-Policy": ", ".join(f"{feature}=()" for feature in _DENIED_FEATURES),
}


def parent_host(host: str, preview_host: str | None) -> str | None:
    """Return the name, with the port, below which previews have their host names.

    Args:
        host: The Host header under which a browser addresses this server.
        preview_host: PREVIEW_HOST, for a server that is addressed beyond loopback.
    """
    name, port = split_host(host)
    parent = "localhost" if is_loopback_name(name) else preview_host
    return f"{parent}:{port}" if parent and port else parent


class PreviewHosts:
    """Answer requests to the host names of previews; pass on all others (ASGI)."""

    def __init__(self, app: ASGIApp, *, host: str | None, key_header: str) -> None:
        """Set the rules.

        Args:
            app: Answers all other requests.
            host: The parent of the host names of previews, besides localhost.
            key_header: The header that carries API keys. It is not forwarded, should a
                client send one here.
        """
        self._app = app
        self._parents = {"localhost", host}
        self._not_forwarded = _NOT_FORWARDED | {key_header.lower().encode()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        label = self._label(scope) if scope["type"] in {"http", "websocket"} else None
        if label is None:
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            answer = await self._answer(label, scope, receive, send)
            if answer is not None:
                await answer(scope, receive, send)

    def _label(self, scope: Scope) -> str | None:
        for host in Headers(scope=scope).getlist("host"):
            label, _, parent = split_host(host)[0].partition(".")
            if _LABEL.fullmatch(label) and parent in self._parents:
                return label
        return None

    async def _answer(
        self, label: str, scope: Scope, receive: Receive, send: Send
    ) -> Response | None:
        """Forward the request, or return a page that says why not."""
        aideator: Aideator = scope["app"].state.aideator
        try:
            live = workbench_of(aideator).preview(label)
        except AideatorError:
            return _page(404, _ENDED, "Open another one in AIdeator.")
        if (refused := _refused(Headers(scope=scope))) is not None:
            return refused
        exchange = _Exchange(live, send)
        try:
            await exchange.run(scope, receive, self._not_forwarded)
        except (AideatorError, _ResponseTooLarge, *_BROKEN) as error:
            # Returning without the answer's last piece makes the server drop the
            # connection, so that the browser sees that it was cut.
            return None if exchange.has_begun else _failure(error, live.details.port)
        return None


_ENDED = "This preview has ended."
_BROKEN = (h11.ProtocolError, ConnectionError, TimeoutError)


def _failure(error: Exception, port: int) -> Response:
    """Return a page that says why there is no answer."""
    match error:
        case PortNotOpen():
            text = f"No server listens at port {port} of the sandbox yet."
            return _page(502, text, "This page tries again by itself.", again=True)
        case AideatorError():
            return _page(404, _ENDED, str(error))
        case _ResponseTooLarge():
            return _page(413, "That is more than a preview passes on.")
        case _:
            text = f"The server at port {port} does not answer as a web server does."
            return _page(502, text)


def _refused(headers: Headers) -> Response | None:
    """Return an answer to requests that are never forwarded."""
    if headers.get("sec-fetch-dest") == "document":
        return _page(
            403,
            "A preview is shown within AIdeator.",
            "Open the variation there: its frame is the fence.",
        )
    if headers.get("service-worker") == "script":
        return _page(403, "A preview may not install a service worker.")
    if headers.get("upgrade", "").lower() == "websocket":
        return _page(501, "A preview carries no WebSockets.")
    return None


class _ResponseTooLarge(Exception):
    """A body above its limit."""


class _Exchange:
    """One request and its answer, over a connection of their own."""

    def __init__(self, live: LivePreview, send: Send) -> None:
        self.has_begun = False
        self._live, self._send = live, send
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=HEAD_BYTES)

    async def run(
        self, scope: Scope, receive: Receive, not_forwarded: frozenset[bytes]
    ) -> None:
        """Forward the request and its answer, until one of the two sides is gone."""
        async with self._live.connect() as (reader, writer):
            request = self._request(scope, not_forwarded)
            writer.write(self._http.send(request) or b"")
            try:
                async with asyncio.TaskGroup() as tasks:
                    directions = [
                        tasks.create_task(self._forward(receive, writer)),
                        tasks.create_task(self._return(reader)),
                    ]
                    await asyncio.wait(directions, return_when=asyncio.FIRST_COMPLETED)
                    for direction in directions:
                        direction.cancel()
            except ExceptionGroup as group:
                raise group.exceptions[0] from None

    def _request(self, scope: Scope, not_forwarded: frozenset[bytes]) -> h11.Request:
        given: list[tuple[bytes, bytes]] = scope["headers"]
        names = dict(given)
        ours = b"localhost:%d" % self._live.details.port
        headers = [(b"host", ours), (b"connection", b"close")]
        headers += [(name, value) for name, value in given if name not in not_forwarded]
        if b"origin" in names:
            headers.append((b"origin", b"http://" + ours))
        if b"transfer-encoding" in names:
            headers.append((b"transfer-encoding", b"chunked"))
        elif b"content-length" in names:
            headers.append((b"content-length", names[b"content-length"]))
        query = scope["query_string"]
        target = scope["raw_path"] + (b"?" + query if query else b"")
        return h11.Request(method=scope["method"], target=target, headers=headers)

    async def _forward(self, receive: Receive, writer: asyncio.StreamWriter) -> None:
        """Send the request's body, and return when the browser is gone."""
        # The server may answer, and close, before it has read the whole body.
        with suppress(ConnectionError):
            if not await self._forward_body(receive, writer):
                return
        while (await receive())["type"] != "http.disconnect":
            pass

    async def _forward_body(
        self, receive: Receive, writer: asyncio.StreamWriter
    ) -> bool:
        """Send the request's body. False if the browser has disconnected before."""
        sent, more = 0, True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return False
            body = message.get("body", b"")
            sent += len(body)
            if sent > REQUEST_BYTES:
                raise _ResponseTooLarge
            writer.write(self._http.send(h11.Data(data=body)) or b"")
            await writer.drain()
            more = message.get("more_body", False)
        writer.write(self._http.send(h11.EndOfMessage()) or b"")
        return True

    async def _return(self, reader: asyncio.StreamReader) -> None:
        """Send the answer to the browser."""
        async with asyncio.timeout(HEAD_SECONDS):
            event = await self._next(reader)
            while isinstance(event, h11.InformationalResponse):
                event = await self._next(reader)
        if not isinstance(event, h11.Response):
            raise h11.RemoteProtocolError("it closed without an answer")
        headers = list(_returned(event.headers.raw_items(), self._live))
        self.has_begun = True
        await self._send(
            {
                "type": "http.response.start",
                "status": event.status_code,
                "headers": headers,
            }
        )
        received = 0
        while isinstance(event := await self._next(reader), h11.Data):
            received += len(event.data)
            if received > ANSWER_BYTES:
                raise _ResponseTooLarge
            await self._send_body(bytes(event.data), more=True)
        await self._send_body(b"", more=False)

    async def _send_body(self, data: bytes, *, more: bool) -> None:
        message = {"type": "http.response.body", "body": data, "more_body": more}
        await self._send(message)

    async def _next(self, reader: asyncio.StreamReader) -> h11.Event:
        while not isinstance(event := self._http.next_event(), h11.Event):
            self._http.receive_data(await reader.read(_PIECE))
        return event


def _returned(
    given: Iterable[tuple[bytes, bytes]], live: LivePreview
) -> Iterator[tuple[bytes, bytes]]:
    """Yield the headers of an answer that a browser may see, and those we add."""
    for name, value in given:
        match name.lower():
            case dropped if dropped in _NOT_RETURNED:
                continue
            case b"location":
                yield b"location", _own_location(value, live.details.port)
            case b"set-cookie":
                yield b"set-cookie", _COOKIE_SCOPE.sub(b"", value) + _COOKIE_ATTRIBUTES
            case kept:
                yield kept, value
    for title, text in _ALWAYS.items():
        yield title.lower().encode(), text.encode()
    yield b"content-security-policy", _POLICY.format(page=live.page).encode()


def _own_location(location: bytes, port: int) -> bytes:
    """Make an absolute URL of the server a path: it knows itself only as localhost."""
    hosts = rb"localhost|127\.0\.0\.1|0\.0\.0\.0|\[::1\]"
    own = re.match(rb"(?i)https?://(%b):%d(?=[/?#]|$)" % (hosts, port), location)
    return location if own is None else b"/" + location[own.end() :].lstrip(b"/")


def _page(status: int, said: str, more: str = "", *, again: bool = False) -> Response:
    """Return a page of our own, which contains only this text."""
    refresh = '<meta http-equiv="refresh" content="1">' if again else ""
    body = (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Preview</title>'
        f'{refresh}<body style="font:16px/1.5 system-ui;margin:3rem;'
        f'color-scheme:light dark"><p>{escape(said)}<p>{escape(more)}'
    )
    # A frame's sandbox lets a page reload itself only if scripts are allowed. This one
    # has no scripts, and its policy would run none.
    policy = "default-src 'none'; style-src 'unsafe-inline'; sandbox allow-scripts"
    return HTMLResponse(
        body, status_code=status, headers={**_ALWAYS, "Content-Security-Policy": policy}
    )
