"""Connect to remote repositories, protected against server-side request forgery.

A host name is resolved once, its address validated and pinned: httpx2 and then git
connect to that address, so a different answer from the resolver later changes nothing.
Redirects are followed here and each hop is validated like the first; git follows none.
(Smart HTTP protocol: git's Documentation/gitprotocol-http.txt.)
"""

import asyncio
import base64
import ipaddress
import shlex
import socket
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import httpx2

from aideator.domain.errors import InvalidInput, RepositoryError
from aideator.repositories.git import quote_alternate
from aideator.repositories.source import (
    DEFAULT_PORTS,
    Source,
    SourcePolicy,
    parse_source,
)
from aideator.repositories.user_git import UserGit, read_user_git

_DISCOVERY = "/info/refs?service=git-upload-pack"
_MAX_HOPS = 5
_TIMEOUT = 20.0
"""Seconds that a server may be silent."""
_CALL_SECONDS = 60.0
"""Time for a whole call, with its redirects. A server that sends a byte now and then is
never silent."""
MAX_RESPONSE = 2**20
"""Limit for the body of an API's response, in bytes."""


@dataclass(frozen=True)
class Remote:
    """How git connects to a repository: valid for one use."""

    source: Source
    url: str
    """The repository's URL after redirects."""
    config: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Settings for git, including the pinned address and the token."""
    objects: Path | None = None
    """A directory with further objects of a local repository."""
    ssh: Mapping[str, str] = field(default_factory=dict)
    """Environment variables for ssh; empty for every other protocol."""

    @property
    def is_local(self) -> bool:
        """Return whether git reads it from this machine's disk."""
        return self.url.startswith("/")

    @property
    def env(self) -> dict[str, str]:
        """Environment variables for git, with the only protocol that it may use."""
        if self.ssh:
            return {"GIT_ALLOW_PROTOCOL": "ssh", **self.ssh}
        scheme = "file" if self.is_local else urlsplit(self.url).scheme
        return {"GIT_ALLOW_PROTOCOL": scheme}

    @property
    def options(self) -> tuple[str, ...]:
        """Options for ls-remote and fetch."""
        if not self.is_local:
            return ()
        # The serving side of a local fetch does not inherit our settings, and the
        # user's repository has another owner.
        program = "git -c safe.directory=* upload-pack"
        if self.objects is not None:
            more = shlex.quote(quote_alternate(self.objects))
            program = f"env GIT_ALTERNATE_OBJECT_DIRECTORIES={more} {program}"
        return (f"--upload-pack={program}",)


async def resolve_remote(
    source: Source,
    policy: SourcePolicy,
    tokens: Mapping[str, str],
    *,
    push: bool = False,
) -> Remote:
    """Follow a source's redirects and check that it grants access.

    The user's git may rewrite the URL, and name proxies and certificates.

    Args:
        source: The repository.
        policy: Validates every hop.
        tokens: Host name → token for private repositories.
        push: Whether it is pushed to, for which git may have another URL.

    Raises:
        RepositoryError: if no allowed server answers as a git repository.
    """
    if source.local:
        return Remote(source, source.url)
    user_git = await read_user_git()
    hop = _rewritten(source, policy, user_git, push=push)
    if hop.local:
        return Remote(source, hop.url)
    if hop.is_ssh:
        _need_ssh(policy, hop)
        return Remote(source, hop.url, ssh=user_git.ssh_environment)
    async with _call_limit(source.url):
        for _ in range(_MAX_HOPS):
            route = await _find_route(hop, policy, user_git)
            headers = authorization(hop, tokens)
            location = await _discover(hop, route, headers)
            if location is None:
                config = _git_config(hop, route, headers)
                return Remote(source, hop.url, config)
            hop = _next_hop(hop, location, policy)
    raise RepositoryError(f"{source.url} redirects more than {_MAX_HOPS} times")


def _rewritten(
    source: Source, policy: SourcePolicy, user_git: UserGit, *, push: bool
) -> Source:
    """Return the source that the user's git uses instead, under the same rules.

    Who asks for a fetch is not known here. At submission only the user who runs this
    may name ssh, and a rule of theirs must not make it everybody's.
    """
    url = user_git.rewrite(source.url, push=push)
    if url == source.url:
        return source
    try:
        hop = parse_source(url, replace(policy, allow_ssh=True))
    except InvalidInput as refused:
        raise RepositoryError(
            f"your git uses {url} instead of {source.url}, which is refused: {refused}",
            hint="see `git config --get-regexp insteadof`",
        ) from None
    may_use_ssh = source.is_ssh or (push and policy.allow_ssh)
    return hop if may_use_ssh or not hop.is_ssh else source


def _need_ssh(policy: SourcePolicy, hop: Source) -> None:
    if not policy.allow_ssh:
        raise RepositoryError(
            f"{hop.url} is reached over ssh, with the identity of the user who runs"
            " the server",
            hint="let that user do this, on the server's own machine",
        )


@dataclass(frozen=True)
class _Route:
    """How to reach a server."""

    address: str
    """Its validated address; empty where a proxy looks it up."""
    proxy: str = ""
    tls: ssl.SSLContext | None = None
    config: Mapping[str, str] = field(default_factory=dict, repr=False)
    """The same for git."""


async def _find_route(
    hop: Source, policy: SourcePolicy, user_git: UserGit | None = None
) -> _Route:
    """Return how to reach a source's host, if the policy allows its address.

    A proxy looks names up by itself, so a name that cannot be looked up here has to be
    on a list.

    Raises:
        RepositoryError: if it cannot be reached, or must not be.
    """
    user_git = user_git or await read_user_git()
    proxy = user_git.proxy(hop.url)
    host, port = _host_port(hop)
    try:
        address = await _resolve(hop, policy)
    except _UnknownHost:
        if not (proxy and policy.lists(host, port)):
            raise
        address = ""
    return _Route(
        "" if proxy else address,
        proxy,
        user_git.tls(hop.url),
        user_git.git_config(hop.url),
    )


@asynccontextmanager
async def _call_limit(url: str) -> AsyncIterator[None]:
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
    host, port = _host_port(hop)
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


async def _discover(
    hop: Source, route: _Route, headers: Mapping[str, str]
) -> str | None:
    """Request the repository's refs.

    Returns:
        The location of a redirect; None if the response contains the refs.
    """
    asked = {"user-agent": "git/2 aideator", **headers}
    async with _send("GET", route, hop.url + _DISCOVERY, headers=asked) as response:
        return _location(hop, response, known=bool(headers))


@asynccontextmanager
async def _send(
    method: str,
    route: _Route,
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
        _call_limit(url),
        _send(
            method,
            await _find_route(Source(url), policy),
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
    host, port = _host_port(Source(url)) if parts.scheme in DEFAULT_PORTS else ("", 0)
    if not host or (parts.scheme == "http" and not policy.is_private(host, port)):
        raise RepositoryError("the host names an address that is not https")
    body = bytearray()
    route = await _find_route(Source(url), policy)
    async with _send("GET", route, url, headers=headers) as response:
        if response.status_code != 200:
            raise RepositoryError(f"{host} answers with {response.status_code}")
        async for chunk in response.aiter_raw():
            body += chunk
            if len(body) > max_bytes:
                raise RepositoryError(f"{host} sends more than was named")
    return bytes(body)


def _location(hop: Source, response: httpx2.Response, *, known: bool) -> str | None:
    """Return the location of a redirect; None if the response contains refs.

    Args:
        hop: The URL that was requested.
        response: Its response.
        known: Whether a token was sent.
    """
    match response.status_code:
        case 200 if response.headers.get("content-type", "").startswith(
            "application/x-git-"
        ):
            return None
        case 200:
            raise RepositoryError(
                f"{hop.url} is a web page, not a git repository",
                hint="give the URL that git clones",
            )
        case 301 | 302 | 303 | 307 | 308:
            return response.headers.get("location", "")
        case 401 | 403:
            what = "it is private, or does not exist"
            if known:
                what = "the token for this host gives no access to it"
            raise RepositoryError(
                f"no access to {hop.url}: {what}",
                hint="set a token for this host (GITHUB_TOKEN, GIT_TOKENS),"
                " or check the URL's spelling",
            )
        case 404 | 410:
            raise RepositoryError(
                f"there is no repository {hop.url}", hint="check the URL's spelling"
            )
        case status:
            raise RepositoryError(
                f"{hop.url} answers with HTTP status {status}", hint="try again later"
            )


_MAX_URL = 2_000
"""Characters of a redirect's target."""


def _next_hop(hop: Source, location: str, policy: SourcePolicy) -> Source:
    try:
        target = urljoin(hop.url + _DISCOVERY, location)
    except ValueError:
        target = location
    if not target.endswith(_DISCOVERY) or len(target) > _MAX_URL:
        raise RepositoryError(
            f"{hop.url} redirects to {target[:200]}, which is not a git repository"
        )
    url = target.removesuffix(_DISCOVERY)
    if hop.url.startswith("https:") and not url.startswith("https:"):
        raise RepositoryError(f"{hop.url} redirects to an unsafe protocol")
    try:
        found = parse_source(
            url, SourcePolicy(policy.allowed_hosts, policy.private_hosts)
        )
    except InvalidInput as refused:
        raise RepositoryError(
            f"{hop.url} redirects to {url[:200]}, which is refused: {refused}"
        ) from None
    return found


def token_for(source: Source, tokens: Mapping[str, str]) -> str:
    """Return the token for the source's host; empty if there is none."""
    host, port = _host_port(source)
    return tokens.get(f"{host}:{port}") or tokens.get(host) or ""


def authorization(hop: Source, tokens: Mapping[str, str]) -> dict[str, str]:
    """Return the header that shows a host its token; none where there is no token."""
    token = token_for(hop, tokens)
    if not token:
        return {}
    # GitHub expects this user name; other servers accept any with a token.
    credentials = base64.b64encode(f"x-access-token:{token}".encode()).decode()
    return {"authorization": f"Basic {credentials}"}


def _git_config(
    hop: Source, route: _Route, headers: Mapping[str, str]
) -> dict[str, str]:
    host, port = _host_port(hop)
    pinned = {"http.curloptResolve": f"{host}:{port}:{route.address}"}
    return {
        **(pinned if route.address else {}),
        **route.config,
        **{
            f"http.{hop.url}.extraHeader": f"{name}: {value}"
            for name, value in headers.items()
        },
    }


def _host_port(source: Source) -> tuple[str, int]:
    parts = urlsplit(source.over_https.url)
    return parts.hostname or "", parts.port or DEFAULT_PORTS[parts.scheme]
