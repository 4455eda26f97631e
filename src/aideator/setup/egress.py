"""The way out for set-up alone: a forward proxy on a Unix socket that leads to the hosts which the operator named.

Odd on purpose:

- A request is parsed once, into a type; what is sent on is written anew from it.
  Nothing passes that this parser and another might read differently: no user names, no
  escapes, no lines folded, no bodies, one request a connection.
- The name is resolved once, and the address that was judged is the one that is dialled.
- A mirror that asks who comes is asked by this process, over https, for what came to it
  as plain http: what it is told is never inside.
- `CONNECT` shows nothing of what is said inside TLS. A host that is allowed is trusted
  not to take things in for strangers:
  docs/decisions/0034-set-up-reaches-allowed-hosts-only.md.
"""

import asyncio
import errno
import re
import socket
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from aideator.repositories.remote import is_public

_MAX_HEAD = 16 * 2**10
_CHUNK = 64 * 2**10
_HEAD_SECONDS, _DIAL_SECONDS, _IDLE_SECONDS = 20.0, 20.0, 120.0
_MAX_CONNECTIONS = 100
_MAX_REFUSALS = 50

_REQUEST = re.compile(rb"(?P<method>[A-Z]+) (?P<target>[\x21-\x7e]+) HTTP/1\.[01]")
_PORTS = {"https": 443, "http": 80}
_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_AUTHORITY = re.compile(
    rf"(?P<host>(?:{_LABEL}\.)*{_LABEL})(?::(?P<port>[0-9]{{1,5}}))?"
)
_MAX_NAME = 253
_URL = re.compile(r"http://(?P<authority>[^/?#@\\]+)(?P<path>[/?][^#]*)?")
_HEADER = re.compile(
    rb"(?P<name>[!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(?P<value>[\x20-\x7e\t]*)"
)
_NOT_PASSED_ON = frozenset(
    b"host connection keep-alive proxy-authenticate proxy-authorization proxy-connection te trailer upgrade"
    b" content-length".split()
)


@dataclass(frozen=True)
class Egress:
    """Which hosts can be reached, and how much."""

    allowed_hosts: frozenset[str] = frozenset()
    """Public hosts: `host` for https and http at their own ports, or `host:port`."""
    private_hosts: frozenset[str] = frozenset()
    """`host` or `host:port` entries that may have private addresses: mirrors in the
    operator's own network."""
    credentials: Mapping[str, str] = field(default_factory=dict, repr=False)
    """`https://host`, with its port unless that is the usual one, or `http://…` → the
    `Authorization` it is sent."""
    max_bytes: int = 8 * 2**30
    """How many bytes may come and go in one set-up."""

    def __bool__(self) -> bool:
        return bool(self.allowed_hosts or self.private_hosts)

    def is_private(self, host: str, port: int) -> bool:
        """Whether the operator has vouched for this server, whatever its address."""
        return not self.private_hosts.isdisjoint({host, f"{host}:{port}"})

    def allows(self, host: str, port: int) -> bool:
        """Whether set-up may talk to this server at all."""
        usual = host in self.allowed_hosts and port in {80, 443}
        return (
            usual
            or f"{host}:{port}" in self.allowed_hosts
            or self.is_private(host, port)
        )

    def signed(self, request: "Request") -> "Request":
        """The request as it is sent on: with the operator's name, where there is one for this server."""
        for scheme, usual in _PORTS.items():
            port = usual if request.port == _PORTS["http"] else request.port
            word = self.credentials.get(
                f"{scheme}://{request.host}{'' if port == usual else f':{port}'}"
            )
            if word is not None and request.onward is not None:
                lines = request.onward.removesuffix(b"\r\n\r\n").split(b"\r\n")
                kept = [
                    line for line in lines if not line.startswith(b"authorization:")
                ]
                onward = b"\r\n".join(
                    [*kept, b"authorization: " + word.encode(), b"", b""]
                )
                return Request(request.host, port, onward, tls=scheme == "https")
        return request


class Refused(Exception):
    """A request that goes nowhere; the message goes to whoever asked."""

    def __init__(self, status: str, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Request:
    """What a client wants, in the only reading there is."""

    host: str
    port: int
    onward: bytes | None = None
    """The request as it is sent on; None for a tunnel."""
    tls: bool = False
    """Whether it is sent over TLS, although it came as plain http."""


def parse(head: bytes) -> Request:
    """Read the head of a request, without the empty line at its end.

    Raises:
        Refused: if it is anything but a plain `CONNECT host:port` or `GET` or `HEAD` of
            an http URL.
    """
    first, *lines = head.split(b"\r\n")
    line = _REQUEST.fullmatch(first)
    if line is None:
        raise Refused("400 Bad Request", "this is not a request that a proxy can read")
    target = line["target"].decode("ascii")
    if line["method"] == b"CONNECT":
        return Request(*_authority(target, None))
    if line["method"] not in {b"GET", b"HEAD"}:
        raise Refused("405 Method Not Allowed", "plain http is for GET and HEAD here")
    url = _URL.fullmatch(target)
    if url is None:
        raise Refused("400 Bad Request", "give the whole http URL, without a user name")
    host, port = _authority(url["authority"], 80)
    path = url["path"] or "/"
    start = b"%s %s%s HTTP/1.1\r\nhost: %s\r\nconnection: close\r\n" % (
        line["method"],
        b"" if path.startswith("/") else b"/",
        path.encode(),
        host.encode() if port == 80 else f"{host}:{port}".encode(),
    )
    return Request(host, port, start + b"".join(_passed_on(lines)) + b"\r\n")


def _authority(text: str, default: int | None) -> tuple[str, int]:
    found = _AUTHORITY.fullmatch(text.lower())
    port = int(found["port"] or default or 0) if found else 0
    if found is None or len(found["host"]) > _MAX_NAME or not 0 < port < 65_536:
        raise Refused("400 Bad Request", "give a plain host name and a port")
    return found["host"], port


def _passed_on(lines: list[bytes]) -> list[bytes]:
    kept = []
    for line in lines:
        header = _HEADER.fullmatch(line)
        if header is None:
            raise Refused("400 Bad Request", "a header cannot be read")
        name = header["name"].lower()
        if name == b"transfer-encoding" or (
            name == b"content-length" and header["value"].strip() != b"0"
        ):
            raise Refused("400 Bad Request", "a request may have no body here")
        if name not in _NOT_PASSED_ON:
            kept.append(b"%s: %s\r\n" % (name, header["value"]))
    return kept


@dataclass
class Proxy:
    """One set-up's way out. Its policy never changes while it lives."""

    socket: Path
    egress: Egress
    trust: ssl.SSLContext | None = None
    """Whose certificates are believed where this process speaks TLS; the system's word
    when None."""
    refused: dict[str, str] = field(default_factory=dict)
    """`host:port` that was asked for in vain → why."""
    found: dict[str, list[str]] = field(default_factory=dict)
    """Host → its addresses."""
    asking: dict[str, asyncio.Lock] = field(default_factory=dict)
    passed: int = 0
    """Bytes that came and went."""
    connections: int = 0

    async def serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Answer one connection."""
        self.connections += 1
        try:
            await self._answer(reader, writer)
        except Refused as refusal:
            said = f"AIdeator: {refusal}\n".encode()
            head = f"HTTP/1.1 {refusal.status}\r\ncontent-type: text/plain\r\ncontent-length: {len(said)}\r\n"
            with suppress(ConnectionError):
                writer.write(head.encode() + b"connection: close\r\n\r\n" + said)
                await writer.drain()
        except (OSError, TimeoutError, asyncio.IncompleteReadError):
            pass  # one of the two has hung up or fallen silent: the other sees the end
        finally:
            self.connections -= 1
            writer.close()

    async def _answer(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        if self.connections > _MAX_CONNECTIONS:
            raise Refused("503 Service Unavailable", "too many connections at once")
        try:
            async with asyncio.timeout(_HEAD_SECONDS):
                head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.LimitOverrunError:
            raise Refused(
                "431 Request Header Fields Too Large",
                "the head of the request is too long",
            ) from None
        request = self.egress.signed(parse(head[:-4]))
        there, onward = await self._dial(request)
        try:
            if request.onward is None:
                writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
                async with asyncio.TaskGroup() as both:
                    both.create_task(self._pump(reader, onward))
                    both.create_task(self._pump(there, writer))
            else:
                onward.write(request.onward)
                await self._pump(there, writer)
        except* (OSError, TimeoutError):
            pass
        finally:
            onward.close()

    async def _dial(
        self, request: Request
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        host, port = request.host, request.port
        if not self.egress.allows(host, port):
            raise self._refuse(
                request,
                f"{host}:{port} is not a host that set-up may reach (SETUP_ALLOWED_HOSTS)",
            )
        try:
            addresses = await self._addresses(host)
        except (OSError, UnicodeError, TimeoutError) as error:
            why = (
                error.strerror
                if isinstance(error, OSError) and error.strerror
                else "no answer"
            )
            raise self._refuse(
                request, f"{host} cannot be looked up: {why}", "502 Bad Gateway"
            ) from None
        if not self.egress.is_private(host, port) and not all(
            map(is_public, addresses)
        ):
            raise self._refuse(
                request,
                f"{host} has a private address (SETUP_PRIVATE_HOSTS can vouch for it)",
            )
        trust, name = (self.trust or True, host) if request.tls else (None, None)
        why = "does not answer"
        for address in addresses:
            try:
                async with asyncio.timeout(_DIAL_SECONDS):
                    return await asyncio.open_connection(
                        address, port, limit=_CHUNK, ssl=trust, server_hostname=name
                    )
            except ssl.SSLError as error:
                why = f"speaks no TLS that is trusted here: {error.reason}"
            except (OSError, TimeoutError):
                continue
        raise self._refuse(request, f"{host}:{port} {why}", "502 Bad Gateway")

    async def _addresses(self, host: str) -> list[str]:
        """Look a host up, once a set-up.

        Installers open connections by the dozen; a resolver that was asked 200 times at
        once dropped five questions and took 35 s.
        """
        asking = self.asking.setdefault(host, asyncio.Lock())
        waits = asking.locked()
        async with asking:
            if host not in self.found:
                if (
                    waits
                ):  # for an answer that has not come; the next connection may ask again
                    raise OSError(
                        errno.EHOSTUNREACH, "it was asked for just now, in vain"
                    )
                async with asyncio.timeout(_DIAL_SECONDS):
                    found = await asyncio.get_running_loop().getaddrinfo(
                        host, None, type=socket.SOCK_STREAM
                    )
                self.found[host] = list(
                    dict.fromkeys(str(entry[4][0]) for entry in found)
                )
            return self.found[host]

    def _refuse(
        self, request: Request, why: str, status: str = "403 Forbidden"
    ) -> Refused:
        if len(self.refused) < _MAX_REFUSALS:
            self.refused[f"{request.host}:{request.port}"] = why
        return Refused(status, why)

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        while chunk := await asyncio.wait_for(reader.read(_CHUNK), _IDLE_SECONDS):
            self.passed += len(chunk)
            if self.passed > self.egress.max_bytes:
                raise ConnectionAbortedError
            writer.write(chunk)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()


@asynccontextmanager
async def open_proxy(path: Path, egress: Egress) -> AsyncIterator[Proxy]:
    """Listen on a Unix socket that only this user can open, until the context ends; so do all connections then.

    Args:
        path: Where the socket is made; at most 107 bytes.
        egress: What can be reached.
    """
    proxy = Proxy(path, egress)
    group = asyncio.TaskGroup()
    tasks = set[asyncio.Task[None]]()

    def admit(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not server.is_serving():  # it came in the moment of closing
            writer.close()
            return
        task = group.create_task(proxy.serve(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    await group.__aenter__()
    server = await asyncio.start_unix_server(admit, path, limit=_MAX_HEAD)
    try:
        path.chmod(0o600)  # noqa: ASYNC240 - one system call
        yield proxy
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        path.unlink(missing_ok=True)  # noqa: ASYNC240
        # The caller's own exception is not ours to wrap in a group, so the group does
        # not hear of it.
        await group.__aexit__(None, None, None)
