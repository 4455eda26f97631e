"""Connect to remote repositories, protected against server-side request forgery.

A host name is resolved once, its address validated and pinned: httpx2 and then git
connect to that address, so a different answer from the resolver later changes nothing.
Redirects are followed here and each hop is validated like the first; git follows none.
(Smart HTTP protocol: git's Documentation/gitprotocol-http.txt.)
"""

import base64
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import httpx2

from aideator.domain.errors import InvalidInput, RepositoryError
from aideator.repositories.git import quote_alternate
from aideator.repositories.http_client import (
    Route,
    call_limit,
    find_route,
    host_port,
    send,
)
from aideator.repositories.source import (
    Source,
    SourcePolicy,
    parse_source,
)
from aideator.repositories.user_git import UserGit, read_user_git

_DISCOVERY = "/info/refs?service=git-upload-pack"
_MAX_HOPS = 5


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
    async with call_limit(source.url):
        for _ in range(_MAX_HOPS):
            route = await find_route(hop, policy, user_git)
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


async def _discover(
    hop: Source, route: Route, headers: Mapping[str, str]
) -> str | None:
    """Request the repository's refs.

    Returns:
        The location of a redirect; None if the response contains the refs.
    """
    asked = {"user-agent": "git/2 aideator", **headers}
    async with send("GET", route, hop.url + _DISCOVERY, headers=asked) as response:
        return _location(hop, response, known=bool(headers))


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
    host, port = host_port(source)
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
    hop: Source, route: Route, headers: Mapping[str, str]
) -> dict[str, str]:
    host, port = host_port(hop)
    pinned = {"http.curloptResolve": f"{host}:{port}:{route.address}"}
    return {
        **(pinned if route.address else {}),
        **route.config,
        **{
            f"http.{hop.url}.extraHeader": f"{name}: {value}"
            for name, value in headers.items()
        },
    }
