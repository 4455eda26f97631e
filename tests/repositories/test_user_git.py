"""What the user's own git says of connections: proxies, certificates, other URLs."""

import asyncio
import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from aideator.domain.errors import RepositoryError
from aideator.repositories.cache import RepositoryCache
from aideator.repositories.remote import resolve_remote
from aideator.repositories.source import SourcePolicy, parse_source
from aideator.repositories.user_git import UserGit
from tests.conftest import git
from tests.repositories.server import GitServer, serve

Configure = Callable[[str, str], None]
"""Sets a value in the user's configuration of git."""


@pytest.fixture
def server(home: Path, repo: Path) -> Iterator[GitServer]:
    root = home / "served"
    root.mkdir()
    git(root, "clone", "-q", "--bare", str(repo), "project.git")
    with serve(root) as running:
        yield running


@pytest.fixture
def configure(home: Path, monkeypatch: pytest.MonkeyPatch) -> Configure:
    config = home / "gitconfig"
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    for name in ("GIT_SSL_CAINFO", "GIT_SSL_CAPATH", "SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)

    def set_(key: str, value: str) -> None:
        git(home, "config", "-f", str(config), "--add", key, value)

    return set_


@dataclass
class Proxy:
    """An HTTP proxy that leads to one server, and notes who was asked for."""

    url: str = ""
    asked: list[str] = field(default_factory=list)


@asynccontextmanager
async def proxy_to(port: int) -> AsyncIterator[Proxy]:
    proxy = Proxy()

    async def pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(2**16):
                writer.write(data)
                await writer.drain()
        writer.close()

    async def answer(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        method, target, _ = head.split(b"\r\n")[0].decode().split(" ")
        proxy.asked.append(target)
        to, out = await asyncio.open_connection("127.0.0.1", port)
        if method == "CONNECT":
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        else:
            path = "/" + target.split("/", 3)[3]
            out.write(head.replace(target.encode(), path.encode(), 1))
        async with asyncio.TaskGroup() as group:
            group.create_task(pipe(reader, out))
            group.create_task(pipe(to, writer))

    listening = await asyncio.start_server(answer, "127.0.0.1", 0)
    proxy.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    try:
        yield proxy
    finally:
        listening.close()


@pytest.mark.parametrize("by", ["git", "environment"])
async def test_a_repository_is_fetched_through_the_users_proxy(
    home: Path,
    server: GitServer,
    repo: Path,
    configure: Configure,
    monkeypatch: pytest.MonkeyPatch,
    by: str,
) -> None:
    # Only the proxy can look this name up.
    policy = SourcePolicy(frozenset(), frozenset({"git.corp.invalid"}))
    async with proxy_to(server.port) as proxy:
        if by == "git":
            configure("http.http://git.corp.invalid.proxy", proxy.url)
        else:
            monkeypatch.setenv("http_proxy", proxy.url)
        found = await RepositoryCache(home, policy=policy).resolve(
            "http://git.corp.invalid/project"
        )
        assert found.sha == git(repo, "rev-parse", "HEAD")
        assert all("git.corp.invalid" in each for each in proxy.asked)
        assert len(proxy.asked) >= 3


async def test_a_proxy_leads_to_no_host_that_is_not_named(
    configure: Configure, monkeypatch: pytest.MonkeyPatch, server: GitServer
) -> None:
    everywhere = SourcePolicy(frozenset({"*"}))
    async with proxy_to(server.port) as proxy:
        monkeypatch.setenv("https_proxy", proxy.url)
        for url in (
            "https://metadata.invalid/x",
            "https://localhost/x",
            "https://127.0.0.1/x",
        ):
            with pytest.raises(RepositoryError, match=r"no host|private"):
                await resolve_remote(parse_source(url, everywhere), everywhere, {})
        assert proxy.asked == []


async def test_no_proxy_is_honoured(
    home: Path, server: GitServer, configure: Configure, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = SourcePolicy(frozenset(), frozenset({server.host}))
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "example.org,127.0.0.1")
    assert await RepositoryCache(home, policy=policy).resolve(server.url("project"))


async def test_another_url_is_used_where_the_users_git_says_so(
    home: Path, server: GitServer, repo: Path, configure: Configure
) -> None:
    policy = SourcePolicy(frozenset({"github.com"}), frozenset({server.host}))
    key = f"url.http://{server.host}/.insteadOf"
    configure(key, "https://github.com/o/")
    found = await RepositoryCache(home, policy=policy).resolve(
        "https://github.com/o/project"
    )
    assert found.source.url == "https://github.com/o/project"
    assert found.sha == git(repo, "rev-parse", "HEAD")


async def test_the_rules_for_hosts_hold_for_the_other_url(configure: Configure) -> None:
    policy = SourcePolicy(frozenset({"github.com"}))
    configure("url.https://10.0.0.1/.insteadOf", "https://github.com/")
    source = parse_source("https://github.com/o/r", policy)
    with pytest.raises(RepositoryError, match="which is refused"):
        await resolve_remote(source, policy, {})


async def test_a_repositorys_own_configuration_says_nothing(
    repo: Path, configure: Configure, server: GitServer, home: Path
) -> None:
    git(repo, "config", "url./etc/.insteadOf", str(repo))
    git(repo, "config", "http.proxy", "http://127.0.0.1:9")
    policy = SourcePolicy(frozenset(), allow_local=True)
    found = await RepositoryCache(home, policy=policy).resolve(str(repo))
    assert found.sha == git(repo, "rev-parse", "HEAD")


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
@pytest.mark.parametrize("by", ["git", "SSL_CERT_FILE"])
async def test_a_server_is_trusted_by_the_users_own_authority(
    home: Path,
    repo: Path,
    server: GitServer,
    configure: Configure,
    monkeypatch: pytest.MonkeyPatch,
    by: str,
) -> None:
    certificate, key = home / "cert.pem", home / "key.pem"
    await asyncio.to_thread(
        subprocess.run,
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes"),
            *("-keyout", str(key), "-out", str(certificate), "-days", "1"),
            *("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"),
        ],
        check=True,
        capture_output=True,
    )
    async with https_to(server.port, certificate, key) as port:
        policy = SourcePolicy(frozenset(), frozenset({f"localhost:{port}"}))
        cache = RepositoryCache(home, policy=policy)
        url = f"https://localhost:{port}/project"
        with pytest.raises(RepositoryError, match="CERTIFICATE_VERIFY_FAILED"):
            await cache.resolve(url)
        if by == "git":
            configure("http.sslCAInfo", str(certificate))
        else:
            monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        assert (await cache.resolve(url)).sha == git(repo, "rev-parse", "HEAD")


@asynccontextmanager
async def https_to(port: int, certificate: Path, key: Path) -> AsyncIterator[int]:
    """Serve what a plain server has over TLS; yield the port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    async def pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(2**16):
                writer.write(data)
                await writer.drain()
        writer.close()

    async def answer(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        to, out = await asyncio.open_connection("127.0.0.1", port)
        async with asyncio.TaskGroup() as group:
            group.create_task(pipe(reader, out))
            group.create_task(pipe(to, writer))

    listening = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
    try:
        yield listening.sockets[0].getsockname()[1]
    finally:
        listening.close()


def test_the_longest_url_wins_and_capitals_are_no_proxy_for_http() -> None:
    user = UserGit(
        (
            ("http.proxy", "a"),
            ("http.https://h.proxy", "b"),
            ("http.https://h/o.proxy", "c"),
            ("url.x:.insteadof", "https://h/"),
            ("url.y:.insteadof", "https://h/o/"),
            ("url.z:.pushinsteadof", "https://h/"),
        ),
        {"HTTP_PROXY": "evil", "HTTPS_PROXY": "d", "NO_PROXY": ".corp, *.lan"},
    )
    assert user.proxy("https://h/o/r") == "c"
    assert user.proxy("https://h/other") == "b"
    assert user.proxy("https://hh/o") == "a"
    assert user.proxy("https://git.corp:8443/o") == ""
    assert user.proxy("https://git.lan/o") == ""
    assert UserGit((), user.environment).proxy("http://h/o") == ""
    assert UserGit((), user.environment).proxy("https://h/o") == "d"
    assert user.rewrite("https://h/o/r") == "y:r"
    assert user.rewrite("https://h/o/r", push=True) == "z:o/r"
    assert user.rewrite("https://other/o") == "https://other/o"
