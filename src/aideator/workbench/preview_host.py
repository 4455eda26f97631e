"""What a project serves inside a sandbox, shown to a person: one host name for each preview, before everything else.

What comes from there is hostile, and dev servers need a whole origin with paths of its
own. So each preview has an origin that nobody can guess, which is all the credential it
needs; a request to such a name never meets the API or the page. A policy keeps the
browser within that origin, as far as a frame of ours is around it: in a tab of its own,
a script could go elsewhere with what it knows, so there it is not shown.
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

HEAD_BYTES, REQUEST_BYTES, ANSWER_BYTES = 64 * 2**10, 32 * 2**20, 512 * 2**20
"""The most that headers, a request's body and an answer's may have."""
HEAD_SECONDS = 120.0
"""How long an answer may take to begin: a dev server compiles when it is first
asked."""
_PIECE = 64 * 2**10
_LABEL = re.compile(r"[0-9a-f]{32}")
_NOT_KEPT = re.compile(rb"(?i);\s*(domain|samesite|secure|partitioned)\b[^;]*")
"""What a server says of its cookies' reach. In the frame of another site they are kept
only as ours say."""

_HOP_BY_HOP = frozenset(
    b"connection keep-alive proxy-authenticate proxy-authorization proxy-connection te trailer transfer-encoding"
    b" upgrade".split()
)
_NOT_SENT = _HOP_BY_HOP | frozenset(
    b"host origin referer expect content-length forwarded x-forwarded-for x-forwarded-host x-forwarded-proto".split()
)
_NOT_TAKEN = _HOP_BY_HOP | frozenset(
    b"content-security-policy content-security-policy-report-only x-frame-options cross-origin-resource-policy"
    b" cross-origin-opener-policy cross-origin-embedder-policy referrer-policy permissions-policy cache-control"
    b" x-content-type-options x-dns-prefetch-control service-worker-allowed refresh link alt-svc clear-site-data"
    b" strict-transport-security date server report-to reporting-endpoints nel".split()
)
_POLICY = (
    "sandbox allow-scripts allow-forms allow-same-origin allow-modals; "
    "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; form-action 'self'; base-uri 'self'; "
    "frame-ancestors {page}"
)
_NOTHING = (
    *(
        "accelerometer",
        "camera",
        "display-capture",
        "geolocation",
        "gyroscope",
        "hid",
        "microphone",
        "midi",
        "payment",
    ),
    *(
        "publickey-credentials-get",
        "screen-wake-lock",
        "serial",
        "usb",
        "xr-spatial-tracking",
    ),
)
_ALWAYS = {
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-DNS-Prefetch-Control": "off",
    "Cache-Control": "no-store",
    "Permissions-Policy": ", ".join(f"{feature}=()" for feature in _NOTHING),
}


def below_which(host: str, preview_host: str | None) -> str | None:
    """Below which name, and at which port, previews are for a browser that addresses this server as `host`."""
    name, port = split_host(host)
    below = "localhost" if is_loopback_name(name) else preview_host
    return f"{below}:{port}" if below and port else below


class Previews:
    """Answers requests to the host names of previews, and passes all others on (ASGI)."""

    def __init__(self, app: ASGIApp, *, host: str | None, key_header: str) -> None:
        """Set the rules.

        Args:
            app: What answers all other requests.
            host: Below which name previews are, besides localhost.
            key_header: What carries API keys: should somebody send one here, it goes no
                further.
        """
        self._app = app
        self._below = {"localhost", host}
        self._not_sent = _NOT_SENT | {key_header.lower().encode()}

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
            label, _, below = split_host(host)[0].partition(".")
            if _LABEL.fullmatch(label) and below in self._below:
                return label
        return None

    async def _answer(
        self, label: str, scope: Scope, receive: Receive, send: Send
    ) -> Response | None:
        """Pass the request on, or say in a page why not."""
        aideator: Aideator = scope["app"].state.aideator
        try:
            live = aideator.workbench.preview(label)
        except AideatorError:
            return _page(
                404, "This preview has ended.", "Open another one in AIdeator."
            )
        if (refused := _refused(Headers(scope=scope))) is not None:
            return refused
        call = _Call(live, send)
        try:
            await call.carry(scope, receive, self._not_sent)
        except PortNotOpen:
            text = f"Nobody listens at port {live.told.port} of the sandbox yet."
            return _page(502, text, "This page tries again by itself.", again=True)
        except AideatorError as error:
            return _page(404, "This preview has ended.", str(error))
        except _TooLarge:
            return (
                None
                if call.has_begun
                else _page(413, "That is more than a preview passes on.")
            )
        except (h11.ProtocolError, ConnectionError, TimeoutError):
            # Returning without the last piece makes the server drop the connection: the
            # browser sees the cut.
            text = f"What listens at port {live.told.port} does not answer as a web server does."
            return None if call.has_begun else _page(502, text)
        return None


def _refused(headers: Headers) -> Response | None:
    """What is not passed on, whatever listens."""
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


class _TooLarge(Exception):
    """A body beyond its bound."""


class _Call:
    """One request and its answer, over a connection of their own."""

    def __init__(self, live: LivePreview, send: Send) -> None:
        self.has_begun = False
        self._live, self._send = live, send
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=HEAD_BYTES)

    async def carry(
        self, scope: Scope, receive: Receive, not_sent: frozenset[bytes]
    ) -> None:
        """Carry the request there and the answer back, until one of the two is gone."""
        async with self._live.connect() as (reader, writer):
            writer.write(self._http.send(self._request(scope, not_sent)) or b"")
            try:
                async with asyncio.TaskGroup() as tasks:
                    ways = [
                        tasks.create_task(self._up(receive, writer)),
                        tasks.create_task(self._down(reader)),
                    ]
                    await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
                    for way in ways:
                        way.cancel()
            except ExceptionGroup as group:
                raise group.exceptions[0] from None

    def _request(self, scope: Scope, not_sent: frozenset[bytes]) -> h11.Request:
        given: list[tuple[bytes, bytes]] = scope["headers"]
        names = dict(given)
        ours = b"localhost:%d" % self._live.told.port
        headers = [(b"host", ours), (b"connection", b"close")]
        headers += [(name, value) for name, value in given if name not in not_sent]
        if b"origin" in names:
            headers.append((b"origin", b"http://" + ours))
        if b"transfer-encoding" in names:
            headers.append((b"transfer-encoding", b"chunked"))
        elif b"content-length" in names:
            headers.append((b"content-length", names[b"content-length"]))
        query = scope["query_string"]
        target = scope["raw_path"] + (b"?" + query if query else b"")
        return h11.Request(method=scope["method"], target=target, headers=headers)

    async def _up(self, receive: Receive, writer: asyncio.StreamWriter) -> None:
        """Send the request's body, and return when the browser is gone."""
        sent, more = 0, True
        with suppress(
            ConnectionError
        ):  # it may answer, and close, without wanting all of it
            while more:
                message = await receive()
                if message["type"] == "http.disconnect":
                    return
                sent += len(message.get("body", b""))
                if sent > REQUEST_BYTES:
                    raise _TooLarge
                writer.write(
                    self._http.send(h11.Data(data=message.get("body", b""))) or b""
                )
                await writer.drain()
                more = message.get("more_body", False)
            writer.write(self._http.send(h11.EndOfMessage()) or b"")
        while (await receive())["type"] != "http.disconnect":
            pass

    async def _down(self, reader: asyncio.StreamReader) -> None:
        """Pass the answer on."""
        async with asyncio.timeout(HEAD_SECONDS):
            event = await self._next(reader)
            while isinstance(event, h11.InformationalResponse):
                event = await self._next(reader)
        if not isinstance(event, h11.Response):
            raise h11.RemoteProtocolError("it closed without an answer")
        headers = list(_taken(event.headers.raw_items(), self._live))
        self.has_begun, received = True, 0
        await self._send(
            {
                "type": "http.response.start",
                "status": event.status_code,
                "headers": headers,
            }
        )
        while isinstance(event := await self._next(reader), h11.Data):
            received += len(event.data)
            if received > ANSWER_BYTES:
                raise _TooLarge
            await self._send(
                {
                    "type": "http.response.body",
                    "body": bytes(event.data),
                    "more_body": True,
                }
            )
        await self._send({"type": "http.response.body", "body": b""})

    async def _next(self, reader: asyncio.StreamReader) -> h11.Event:
        while not isinstance(event := self._http.next_event(), h11.Event):
            self._http.receive_data(await reader.read(_PIECE))
        return event


def _taken(
    given: Iterable[tuple[bytes, bytes]], live: LivePreview
) -> Iterator[tuple[bytes, bytes]]:
    """The headers of an answer as a browser may have them."""
    for name, value in given:
        match name.lower():
            case dropped if dropped in _NOT_TAKEN:
                continue
            case b"location":
                yield b"location", _within(value, live.told.port)
            case b"set-cookie":
                yield (
                    b"set-cookie",
                    _NOT_KEPT.sub(b"", value) + b"; SameSite=None; Secure; Partitioned",
                )
            case kept:
                yield kept, value
    for title, text in {
        **_ALWAYS,
        "Content-Security-Policy": _POLICY.format(page=live.page),
    }.items():
        yield title.lower().encode(), text.encode()


def _within(location: bytes, port: int) -> bytes:
    """An address of the server itself as a path: it knows itself as localhost only."""
    own = re.match(
        rb"(?i)https?://(localhost|127\.0\.0\.1|0\.0\.0\.0|\[::1\]):%d(?=[/?#]|$)"
        % port,
        location,
    )
    return location if own is None else b"/" + location[own.end() :].lstrip(b"/")


def _page(status: int, said: str, more: str = "", *, again: bool = False) -> Response:
    """A page of our own, which shows nothing but what we say."""
    refresh = '<meta http-equiv="refresh" content="1">' if again else ""
    body = (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Preview</title>{refresh}'
        f'<body style="font:16px/1.5 system-ui;margin:3rem;color-scheme:light dark"><p>{escape(said)}<p>{escape(more)}'
    )
    # To load itself anew counts as a script's doing; there is none, and none would run.
    policy = "default-src 'none'; style-src 'unsafe-inline'; sandbox allow-scripts"
    return HTMLResponse(
        body, status_code=status, headers={**_ALWAYS, "Content-Security-Policy": policy}
    )
