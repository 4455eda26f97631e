"""Network access of set-up: a forward proxy on a Unix socket to the hosts allowed.

Design notes:

- A request is parsed once, into a type (`proxy_request.py`), and the forwarded request
  is written from it. Nothing is forwarded that another parser might read differently:
  no user names, escapes, folded lines or bodies, and one request per connection.
- A name is resolved once, and the connection goes to the address that was validated.
- For a mirror that requires credentials, this process turns a plain http request into
  https and adds them: they are never inside the sandbox.
- The content of a `CONNECT` tunnel is not visible. An allowed host is trusted not to
  store data for strangers: docs/decisions/0034-set-up-reaches-allowed-hosts-only.md.
- Where this machine has a proxy of its own, connections go through that. It looks names
  up, so that only the address of a host that is named by its address can be judged.
"""

import asyncio
import errno
import socket
import ssl
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Iterable,
    Iterator,
    Mapping,
)
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from aideator.repositories.http_client import is_public
from aideator.repositories.source import DEFAULT_PORTS
from aideator.setup.proxy_request import ProxyRequest, RequestRefused, parse
from aideator.setup.upstream import UpstreamProxy, UpstreamRefused

_MAX_HEAD = 16 * 2**10
_CHUNK = 64 * 2**10
_HEAD_SECONDS, _CONNECT_SECONDS, _IDLE_SECONDS = 20.0, 20.0, 120.0
_MAX_CONNECTIONS = 100
_MAX_REFUSALS = 50


@dataclass(frozen=True)
class Egress:
    """Rules for the hosts that set-up can reach, and how much it can transfer."""

    allowed_hosts: frozenset[str] = frozenset()
    """Public hosts: `host` for https and http on the default ports, or `host:port`."""
    private_hosts: frozenset[str] = frozenset()
    """Mirrors in the operator's own network, as `host` or `host:port`: they may have
    private addresses."""
    credentials: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Origin → value of the `Authorization` header. An origin is `https://host` or
    `http://host`, with the port unless it is the default."""
    max_bytes: int = 8 * 2**30
    """Limit for the bytes transferred in one set-up, both directions together."""
    upstream: UpstreamProxy | None = None
    """This machine's own proxy, through which connections go; None for none."""

    def __bool__(self) -> bool:
        return bool(self.allowed_hosts or self.private_hosts)

    def upstream_for(self, host: str, port: int) -> UpstreamProxy | None:
        """Return this machine's proxy, if connections to the server go through it."""
        if self.upstream is not None and self.upstream.serves(host, port):
            return self.upstream
        return None

    def with_hosts(
        self, allowed: Iterable[str], private: Iterable[str] = ()
    ) -> "Egress":
        """Return the same rules with further hosts."""
        return replace(
            self,
            allowed_hosts=self.allowed_hosts.union(allowed),
            private_hosts=self.private_hosts.union(private),
        )

    def is_private(self, host: str, port: int) -> bool:
        """Return whether the operator allows this server whatever its address is."""
        return not self.private_hosts.isdisjoint({host, f"{host}:{port}"})

    def allows(self, host: str, port: int) -> bool:
        """Return whether set-up may connect to this server."""
        usual = host in self.allowed_hosts and port in {80, 443}
        return (
            usual
            or f"{host}:{port}" in self.allowed_hosts
            or self.is_private(host, port)
        )

    def authorize(self, request: "ProxyRequest") -> "ProxyRequest":
        """Return the request as it is forwarded: with credentials, if the host has any.

        A plain request for the http port goes to the https port instead if there are
        credentials for that origin.
        """
        if request.forwarded is None:
            return request
        for scheme, default in DEFAULT_PORTS.items():
            port = default if request.port == DEFAULT_PORTS["http"] else request.port
            origin = f"{scheme}://{request.host}"
            if port != default:
                origin += f":{port}"
            if credentials := self.credentials.get(origin):
                forwarded = _with_authorization(request.forwarded, credentials)
                tls = scheme == "https"
                return ProxyRequest(request.host, port, forwarded, tls=tls)
        return request


def _with_authorization(head: bytes, credentials: str) -> bytes:
    """Replace the `Authorization` header in the head of a request."""
    lines = [
        line
        for line in head.removesuffix(b"\r\n\r\n").split(b"\r\n")
        if not line.startswith(b"authorization:")
    ]
    return b"\r\n".join([*lines, b"authorization: " + credentials.encode(), b"", b""])


@dataclass
class Proxy:
    """The forward proxy of one set-up."""

    socket: Path
    egress: Egress
    """The rules for connections that begin now; hosts may be added."""
    on_unknown: Callable[[str, int], Awaitable[None]] | None = None
    """Called with each server that is refused because nobody has allowed it."""
    ssl_context: ssl.SSLContext | None = None
    """Certificates trusted where this process itself uses TLS; the system's when
    None."""
    refused: dict[str, str] = field(default_factory=dict)
    """`host:port` of a failed request → the reason."""
    unknown: set[str] = field(default_factory=set)
    """`host:port` of the servers that nobody has allowed."""
    reached: set[str] = field(default_factory=set)
    """`host:port` of the servers that it has connected to."""
    addresses: dict[str, list[str]] = field(default_factory=dict)
    """Host → its addresses."""
    lookups: dict[str, asyncio.Lock] = field(default_factory=dict)
    """Host → lock for its lookup."""
    transferred: int = 0
    """Bytes transferred, in both directions."""
    connections: int = 0
    """Number of open connections."""

    async def serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Serve one connection."""
        self.connections += 1
        try:
            await self._forward(reader, writer)
        except RequestRefused as refusal:
            with suppress(ConnectionError):
                writer.write(_refusal(refusal))
                await writer.drain()
        except (OSError, TimeoutError, asyncio.IncompleteReadError):
            pass  # one side closed the connection or fell silent
        finally:
            self.connections -= 1
            writer.close()

    async def _forward(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        if self.connections > _MAX_CONNECTIONS:
            raise RequestRefused(
                "503 Service Unavailable", "too many connections at the same time"
            )
        try:
            async with asyncio.timeout(_HEAD_SECONDS):
                head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.LimitOverrunError:
            raise RequestRefused(
                "431 Request Header Fields Too Large",
                "the head of the request is too long",
            ) from None
        request = self.egress.authorize(parse(head[:-4]))
        upstream_reader, upstream_writer = await self._connect(request)
        try:
            if request.forwarded is None:
                writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
                async with asyncio.TaskGroup() as both:
                    both.create_task(self._pump(reader, upstream_writer))
                    both.create_task(self._pump(upstream_reader, writer))
            else:
                upstream_writer.write(request.forwarded)
                await self._pump(upstream_reader, writer)
        except* (OSError, TimeoutError):
            pass
        finally:
            upstream_writer.close()

    async def _connect(
        self, request: ProxyRequest
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect to the request's host.

        Raises:
            RequestRefused: if the host is not allowed, or no address of it accepts.
        """
        host, port = request.host, request.port
        if not self.egress.allows(host, port):
            raise await self._refuse_unknown(request)
        addresses = await self._judged_addresses(request)
        reason = "does not answer"
        for address in addresses:
            try:
                async with asyncio.timeout(_CONNECT_SECONDS):
                    opened = await self._open(request, address)
            except ssl.SSLError as error:
                reason = f"offers no trusted TLS connection: {error.reason}"
            except UpstreamRefused as error:
                reason = str(error)
            except (OSError, TimeoutError):
                continue
            else:
                self.reached.add(f"{host}:{port}")
                return opened
        raise self._refuse(request, f"{host}:{port} {reason}", "502 Bad Gateway")

    async def _open(
        self, request: ProxyRequest, address: str
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect to one address, or by this machine's proxy; over TLS if asked.

        Raises:
            OSError: if there is no connection, or none that is trusted.
        """
        upstream = self.egress.upstream_for(request.host, request.port)
        if upstream is None:
            opened = await asyncio.open_connection(address, request.port, limit=_CHUNK)
        else:
            opened = await upstream.connect(request.host, request.port)
        if request.tls:
            context = self.ssl_context or ssl.create_default_context()
            try:
                await opened[1].start_tls(context, server_hostname=request.host)
            except OSError:
                opened[1].close()
                raise
        return opened

    async def _refuse_unknown(self, request: ProxyRequest) -> RequestRefused:
        """Report a server that nobody has allowed; return the error to raise."""
        server = f"{request.host}:{request.port}"
        if len(self.unknown) < _MAX_REFUSALS and server not in self.unknown:
            self.unknown.add(server)
            if self.on_unknown is not None:
                await self.on_unknown(request.host, request.port)
        return self._refuse(request, f"{server} is not a host that set-up may reach")

    async def _judged_addresses(self, request: ProxyRequest) -> list[str]:
        """Return the host's addresses, if set-up may connect to them."""
        host, port = request.host, request.port
        if self.egress.upstream_for(host, port) is not None:
            return [host]
        try:
            addresses = await self._look_up(host)
        except (OSError, UnicodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else None
            raise self._refuse(
                request,
                f"{host} cannot be looked up: {reason or 'no answer'}",
                "502 Bad Gateway",
            ) from None
        private = not all(is_public(address) for address in addresses)
        if private and not self.egress.is_private(host, port):
            raise self._refuse(
                request,
                f"{host} has a private address (SETUP_PRIVATE_HOSTS can allow it)",
            )
        return addresses

    async def _look_up(self, host: str) -> list[str]:
        """Look up a host's addresses, once per set-up.

        Installers open dozens of connections; a resolver that received 200 queries at
        once dropped five and took 35 s.
        """
        lookup = self.lookups.setdefault(host, asyncio.Lock())
        waited = lookup.locked()
        async with lookup:
            if host in self.addresses:
                return self.addresses[host]
            if waited:
                # The lookup that it waited for has failed. Connections that begin later
                # may look up again.
                raise OSError(errno.EHOSTUNREACH, "its lookup has just failed")
            async with asyncio.timeout(_CONNECT_SECONDS):
                found = await asyncio.get_running_loop().getaddrinfo(
                    host, None, type=socket.SOCK_STREAM
                )
            addresses = dict.fromkeys(str(entry[4][0]) for entry in found)
            self.addresses[host] = list(addresses)
            return self.addresses[host]

    def _refuse(
        self, request: ProxyRequest, reason: str, status: str = "403 Forbidden"
    ) -> RequestRefused:
        """Record why a host was not reached; return the error to raise."""
        if len(self.refused) < _MAX_REFUSALS:
            self.refused[f"{request.host}:{request.port}"] = reason
        return RequestRefused(status, reason)

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        while chunk := await asyncio.wait_for(reader.read(_CHUNK), _IDLE_SECONDS):
            self.transferred += len(chunk)
            if self.transferred > self.egress.max_bytes:
                raise ConnectionAbortedError
            writer.write(chunk)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()


def _refusal(refusal: RequestRefused) -> bytes:
    """Write the response to a request that is not forwarded."""
    body = f"AIdeator: {refusal}\n".encode()
    head = (
        f"HTTP/1.1 {refusal.status}\r\ncontent-type: text/plain\r\n"
        f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
    )
    return head.encode() + body


@asynccontextmanager
async def open_proxy(
    path: Path,
    egress: Egress,
    on_unknown: Callable[[str, int], Awaitable[None]] | None = None,
) -> AsyncIterator[Proxy]:
    """Listen on a Unix socket that only this user can open.

    When the context ends, the socket and all connections are closed.

    Args:
        path: The socket to create; at most 107 bytes long.
        egress: The hosts that can be reached.
        on_unknown: Called with each server that nobody has allowed.
    """
    proxy = Proxy(path, egress, on_unknown)
    group = asyncio.TaskGroup()
    tasks = set[asyncio.Task[None]]()

    def admit(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not server.is_serving():  # accepted while the server was closing
            writer.close()
            return
        task = group.create_task(proxy.serve(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    await group.__aenter__()
    server = await asyncio.start_unix_server(admit, path, limit=_MAX_HEAD)
    try:
        with _private_socket(path):
            yield proxy
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        # Without the caller's exception, which must not be wrapped in a group.
        await group.__aexit__(None, None, None)


@contextmanager
def _private_socket(path: Path) -> Iterator[None]:
    """Let only this user connect to a socket, and remove it at the end."""
    path.chmod(0o600)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
