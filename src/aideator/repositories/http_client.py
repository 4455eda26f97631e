"""Requests to servers by addresses that are validated, pinned and never redirected.

A host name is looked up once and the request goes to that address: another answer of
the resolver later changes nothing. A proxy of the user's looks names up by itself.
"""

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import httpx2

from aideator.domain.errors import RepositoryError
from aideator.repositories.source import DEFAULT_PORTS, Source, SourcePolicy
from aideator.repositories.user_git import UserGit, read_user_git

_TIMEOUT = 20.0
"""Seconds that a server may be silent."""
_CALL_SECONDS = 60.0
"""Time for a whole call, with its redirects. A server that sends a byte now and then is
never silent."""
MAX_RESPONSE = 2**20
"""Limit for the body of an API's response, in bytes."""


@dataclass(frozen=True)
class Route:
    """How to reach a server."""

    address: str
    """Its validated address; empty where a proxy looks it up."""
    proxy: str = ""
    tls: ssl.SSLContext | None = None
    config: Mapping[str, str] = field(default_factory=dict, repr=False)
    """The same for git."""


async def find_route(
    hop: Source, policy: SourcePolicy, user_git: UserGit | None = None
) -> Route:
    """Return how to reach a source's host, if the policy allows its address.

    A proxy looks names up by itself, so a name that cannot be looked up here has to be
    on a list.

    Raises:
        RepositoryError: if it cannot be reached, or must not be.
    """
    user_git = user_git or await read_user_git()
    proxy = user_git.proxy(hop.url)
    host, port = host_port(hop)
    try:
        address = await _resolve(hop, policy)
    except _UnknownHost:
        if not (proxy and policy.lists(host, port)):
            raise
        address = ""
    return Route(
        "" if proxy else address,
        proxy,
        user_git.tls(hop.url),
        user_git.git_config(hop.url),
    )


@asynccontextmanager
async def call_limit(url: str) -> AsyncIterator[None]:
    """Bound the time of everything in the context together."""
    try:
        async with asyncio.timeout(_CALL_SECONDS) as limit:
            yield
    except TimeoutError:
        if not limit.expired():
            raise
        raise RepositoryError(
            f"{url} was not answered within {_CALL_SECONDS:g} seconds",
            hint="try again later",
        ) from None


class _UnknownHost(RepositoryError):
    """A host's name cannot be looked up."""


async def _resolve(hop: Source, policy: SourcePolicy) -> str:
    """Return an address of the source's host, if the policy allows it."""
    host, port = host_port(hop)
    try:
        found = await asyncio.get_running_loop().getaddrinfo(
            host, port, type=socket.SOCK_STREAM
        )
    except (OSError, UnicodeError) as error:
        raise _UnknownHost(
            f"there is no host {host} ({error})", hint="check the URL's spelling"
        ) from None
    addresses = [str(entry[4][0]) for entry in found]
    if not policy.is_private(host, port) and not all(map(is_public, addresses)):
        raise RepositoryError(
            f"{host} has a private address, which is not allowed",
            hint="an operator can allow an internal git server (PRIVATE_GIT_HOSTS)",
        )
    return addresses[0]


def is_public(text: str) -> bool:
    """Return whether an IP address is a public unicast address.

    IPv4 addresses embedded in IPv6 (NAT64, IPv4-mapped, 6to4) are judged as IPv4.
    """
    address = ipaddress.ip_address(text.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address):
        if address in _NAT64:
            address = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        else:
            address = address.ipv4_mapped or address.sixtofour or address
    if isinstance(address, ipaddress.IPv6Address) and address not in _GLOBAL_UNICAST:
        return False
    return address.is_global and not address.is_multicast


_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")
"""All that IANA has assigned for global unicast; no list of the rest is needed."""


@asynccontextmanager
async def send(
    method: str,
    route: Route,
    url: str,
    *,
    headers: Mapping[str, str],
    content: bytes | None = None,
) -> AsyncIterator[httpx2.Response]:
    """Send one request over exactly this route; the body is not read yet."""
    target = httpx2.URL(url)
    request = httpx2.Request(
        method,
        target.copy_with(host=route.address) if route.address else target,
        headers={"host": target.netloc.decode(), **headers},
        content=content,
        extensions={
            "sni_hostname": target.host,
            "timeout": httpx2.Timeout(_TIMEOUT).as_dict(),
        },
    )
    try:
        async with httpx2.AsyncClient(
            trust_env=False,
            timeout=_TIMEOUT,
            proxy=route.proxy or None,
            verify=route.tls or True,
        ) as client:
            response = await client.send(request, stream=True)
            try:
                yield response
            finally:
                await response.aclose()
    except (httpx2.HTTPError, httpx2.InvalidURL, ValueError, ImportError) as error:
        why = f"{type(error).__name__}: {error}"
        raise RepositoryError(
            f"{target.netloc.decode()} does not answer ({why})",
            hint="try again later",
        ) from None


async def call_api(
    method: str,
    url: str,
    policy: SourcePolicy,
    *,
    headers: Mapping[str, str],
    content: bytes | None = None,
) -> tuple[httpx2.Response, bytes]:
    """Call a server's API; the address is validated and pinned, no redirect followed.

    Args:
        method: The HTTP method.
        url: The URL to request.
        policy: Validates the address, as for `resolve_remote`.
        headers: Headers of the request.
        content: Its body.

    Returns:
        The response, and its body up to `MAX_RESPONSE` bytes.

    Raises:
        RepositoryError: if the policy does not allow the server, or it does not answer.
    """
    body = bytearray()
    async with (
        call_limit(url),
        send(
            method,
            await find_route(Source(url), policy),
            url,
            headers=headers,
            content=content,
        ) as response,
    ):
        async for chunk in response.aiter_bytes():
            body += chunk
            if len(body) > MAX_RESPONSE:
                break
    return response, bytes(body[:MAX_RESPONSE])


async def download(
    url: str, policy: SourcePolicy, *, headers: Mapping[str, str], max_bytes: int
) -> bytes:
    """Return what a server has at a URL; no redirect is followed.

    Args:
        url: An https URL, or http of a private host.
        policy: Validates the address, as for `resolve_remote`.
        headers: Headers of the request.
        max_bytes: The most that is read.

    Raises:
        RepositoryError: if the policy does not allow the server, it does not answer, or
            has more than that.
    """
    parts = urlsplit(url)
    host, port = host_port(Source(url)) if parts.scheme in DEFAULT_PORTS else ("", 0)
    if not host or (parts.scheme == "http" and not policy.is_private(host, port)):
        raise RepositoryError("the host names an address that is not https")
    body = bytearray()
    route = await find_route(Source(url), policy)
    async with send("GET", route, url, headers=headers) as response:
        if response.status_code != 200:
            raise RepositoryError(f"{host} answers with {response.status_code}")
        async for chunk in response.aiter_raw():
            body += chunk
            if len(body) > max_bytes:
                raise RepositoryError(f"{host} sends more than was named")
    return bytes(body)


def host_port(source: Source) -> tuple[str, int]:
    """Return the host and the port that a repository is reached at."""
    parts = urlsplit(source.over_https.url)
    return parts.hostname or "", parts.port or DEFAULT_PORTS[parts.scheme]
