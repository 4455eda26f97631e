"""Repositories behind a real smart-HTTP server, and servers that lead elsewhere."""

import asyncio
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from aideator.domain.errors import InvalidInput, RepositoryError
from aideator.repositories.cache import RepositoryCache
from aideator.repositories.remote import resolve_remote
from aideator.repositories.source import Source, SourcePolicy
from tests.conftest import PATIENCE, git
from tests.repositories.server import GitServer, serve


@pytest.fixture
def server(home: Path, repo: Path) -> Iterator[GitServer]:
    root = home / "served"
    root.mkdir()
    git(root, "clone", "-q", "--bare", str(repo), "project.git")
    with serve(root) as running:
        yield running


def cache_for(home: Path, server: GitServer, **options: Any) -> RepositoryCache:
    return RepositoryCache(
        home, policy=SourcePolicy(frozenset(), frozenset({server.host})), **options
    )


def mirrors(home: Path) -> list[str]:
    return [path.name for path in (home / "mirrors").iterdir()]


async def test_a_repository_is_cloned_over_http_once(
    home: Path, server: GitServer, repo: Path
) -> None:
    cache = cache_for(home, server)
    commit = await cache.resolve(server.url("project"))
    assert commit.sha == git(repo, "rev-parse", "HEAD")
    assert ((await cache.checkout(commit)).path / "calc.py").exists()
    assert server.fetches == 1
    assert await cache.resolve(server.url("project.git"), "main") == commit.__class__(
        Source(server.url("project.git")), commit.sha
    )
    assert server.fetches == 1, (
        "another spelling uses the same mirror, and nothing is new"
    )
    before = len(server.requests)
    await cache.resolve(server.url("project"), commit.sha)
    assert len(server.requests) == before, "a known hash asks nobody"


async def test_many_at_once_fetch_once(home: Path, server: GitServer) -> None:
    # Each asks twice (we, then ls-remote) before it waits for the lock; a fetch asks
    # once more.
    server.gate.clear()
    async with asyncio.TaskGroup() as group:
        for _ in range(4):
            group.create_task(cache_for(home, server).resolve(server.url("project")))
        while len(server.requests) < 4 * 2 + 2:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        server.gate.set()
    assert (
        len([request for request in server.requests if request.startswith("GET")])
        == 4 * 2 + 1
    )


async def test_a_bare_hash_that_no_branch_holds_is_fetched_where_the_server_allows_it(
    home: Path, server: GitServer, repo: Path
) -> None:
    git(repo, "commit", "-q", "--allow-empty", "-m", "hidden")
    hidden = git(repo, "rev-parse", "HEAD")
    git(repo, "push", "-q", str(server.root / "project.git"), "HEAD:refs/pull/1/head")
    assert (
        await cache_for(home, server).resolve(server.url("project"), hidden)
    ).sha == hidden
    assert (
        await cache_for(home, server).resolve(server.url("project"), "pull/1/head")
    ).sha == hidden


async def test_a_private_repository_needs_its_token_which_is_written_nowhere(
    home: Path, server: GitServer
) -> None:
    server.token = "s3cret-t0ken"
    with pytest.raises(RepositoryError, match="private, or does not exist") as error:
        await cache_for(home, server).resolve(server.url("project"))
    assert "GIT_TOKENS" in error.value.hint
    with pytest.raises(RepositoryError, match="gives no access"):
        await cache_for(home, server, tokens={"127.0.0.1": "wrong"}).resolve(
            server.url("project")
        )
    cache = cache_for(home, server, tokens={"127.0.0.1": server.token})
    await cache.checkout(await cache.resolve(server.url("project")))
    encoded = server.authorizations[-1].removeprefix("Basic ")
    assert encoded
    for path in [*(home / "mirrors").rglob("*"), *(home / "checkouts").rglob("*")]:
        if path.is_file():
            content = path.read_bytes()
            assert server.token.encode() not in content
            assert encoded.encode() not in content


async def until_a_pack_is_asked_for(server: GitServer) -> None:
    while not server.fetches:  # noqa: ASYNC110
        await asyncio.sleep(0.01)


async def until_no_git_is_left(server: GitServer) -> None:
    async with asyncio.timeout(PATIENCE):
        host = server.host.encode()
        while any(host in line for line in _command_lines()):  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_the_token_is_in_no_argument_list_while_git_runs(
    home: Path, server: GitServer
) -> None:
    server.token = "s3cret-t0ken"
    server.gate.clear()
    cache = cache_for(home, server, tokens={server.host: server.token})
    async with asyncio.TaskGroup() as group:
        group.create_task(cache.resolve(server.url("project")))
        await until_a_pack_is_asked_for(server)
        seen = b"".join(_command_lines())
        server.gate.set()
    assert server.url("project").encode() in seen, "git was seen at work"
    assert server.token.encode() not in seen
    assert server.authorizations[-1].removeprefix("Basic ").encode() not in seen


def _command_lines() -> Iterator[bytes]:
    for process in Path("/proc").glob("[0-9]*"):
        try:
            yield (process / "cmdline").read_bytes()
        except (FileNotFoundError, ProcessLookupError):
            continue


async def test_unknown_repositories_web_pages_and_dead_servers_are_clear_errors(
    home: Path, server: GitServer
) -> None:
    cache = cache_for(home, server)
    with pytest.raises(RepositoryError, match="there is no repository"):
        await cache.resolve(server.url("nothing"))
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        dead = f"127.0.0.1:{unused.getsockname()[1]}"
        nobody = RepositoryCache(
            home, policy=SourcePolicy(frozenset(), frozenset({dead}))
        )
        with pytest.raises(RepositoryError, match="does not answer"):
            await nobody.resolve(f"http://{dead}/a/b")
    with pytest.raises(
        RepositoryError, match=r"there is no host no-such-host\.invalid"
    ):
        await RepositoryCache(
            home, policy=SourcePolicy(frozenset({"no-such-host.invalid"}))
        ).resolve("https://no-such-host.invalid/a/b")
    assert mirrors(home) == []


async def test_a_clone_that_takes_too_long_is_killed_and_leaves_nothing(
    home: Path, server: GitServer
) -> None:
    server.gate.clear()
    with pytest.raises(RepositoryError, match="took too long") as error:
        await cache_for(home, server, clone_timeout=0.3).resolve(server.url("project"))
    assert "CLONE_TIMEOUT" in error.value.hint
    assert mirrors(home) == []
    await until_no_git_is_left(server)


async def test_a_cancelled_clone_kills_git_and_leaves_nothing(
    home: Path, server: GitServer
) -> None:
    server.gate.clear()
    async with asyncio.TaskGroup() as group:
        cloning = group.create_task(
            cache_for(home, server).resolve(server.url("project"))
        )
        await until_a_pack_is_asked_for(server)
        cloning.cancel()
    assert mirrors(home) == []
    await until_no_git_is_left(server)


async def test_a_huge_repository_is_stopped_while_it_comes_in(
    home: Path, server: GitServer, repo: Path
) -> None:
    _push_big(server, repo, 12 * 2**20)
    server.drip = 0.02
    with pytest.raises(RepositoryError, match="larger than 2 MB"):
        await cache_for(home, server, max_repo_bytes=2 * 2**20).resolve(
            server.url("project")
        )
    assert 2 * 2**20 < server.sent < 11 * 2**20
    assert mirrors(home) == []


def _push_big(server: GitServer, repo: Path, size: int) -> None:
    (repo / "big.bin").write_bytes(os.urandom(size))
    git(repo, "add", ".")
    git(repo, "commit", "-q", "-m", "big")
    git(repo, "push", "-q", str(server.root / "project.git"), "main")


async def test_a_mirror_that_grows_above_the_limit_is_given_up(
    home: Path, server: GitServer, repo: Path
) -> None:
    cache = cache_for(home, server, max_repo_bytes=2 * 2**20)
    await cache.resolve(server.url("project"))
    _push_big(server, repo, 3 * 2**20)
    for _ in range(2):
        with pytest.raises(RepositoryError, match="larger than 2 MB"):
            await cache.resolve(server.url("project"))
    assert mirrors(home) == []


async def test_a_redirect_within_the_allowed_hosts_is_followed(
    home: Path, server: GitServer
) -> None:
    server.redirects = {"/old": "/project.git", "/ancient": f"http://{server.host}/old"}
    assert (await cache_for(home, server).resolve(server.url("ancient"))).sha
    assert server.requests[:3] == [
        f"GET /{name}/info/refs?service=git-upload-pack"
        for name in ("ancient", "old", "project.git")
    ]


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("http://169.254.169.254/latest", "not on the list of allowed hosts"),
        ("http://localhost/project.git", "not on the list of allowed hosts"),
        ("file:///etc", "file: is not supported"),
        ("ext::sh -c id", "refused"),
        ("/loop", "redirects more than"),
    ],
)
async def test_a_redirect_to_anywhere_else_is_refused(
    home: Path, server: GitServer, target: str, message: str
) -> None:
    server.redirects = {"/loop": target}
    with pytest.raises(RepositoryError, match=message):
        await cache_for(home, server).resolve(server.url("loop"))


async def test_a_redirect_to_a_page_is_not_followed(
    home: Path, server: GitServer
) -> None:
    server.redirects = {"/moved/info/refs?service=git-upload-pack": "/login"}
    with pytest.raises(RepositoryError, match="which is not a git repository"):
        await cache_for(home, server).resolve(server.url("moved"))


async def test_a_redirect_in_the_middle_of_git_s_own_talk_is_not_followed(
    home: Path, server: GitServer
) -> None:
    server.redirects = {
        "/project.git/git-upload-pack": f"http://{server.host}/project/git-upload-pack"
    }
    with pytest.raises(RepositoryError, match="cannot be fetched"):
        await cache_for(home, server).resolve(server.url("project.git"))


@pytest.mark.parametrize(
    "address",
    [
        *(
            "127.0.0.1",
            "127.8.8.8",
            "10.0.0.1",
            "172.16.3.4",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
        ),
        *(
            "224.0.0.1",
            "255.255.255.255",
            "::1",
            "::",
            "fe80::1",
            "fd00:ec2::254",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
        ),
        *(
            "64:ff9b::7f00:1",
            "64:ff9b::a9fe:a9fe",
            "2002:7f00:1::",
            "ff02::1",
            "::127.0.0.1",
        ),
    ],
)
async def test_a_name_that_leads_to_a_private_address_is_not_reached_for(
    monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    _answer(monkeypatch, [[address]])
    source = Source("https://git.example/a/b")
    with pytest.raises(RepositoryError, match="has a private address"):
        await resolve_remote(source, SourcePolicy(frozenset({"*"})), {})


async def test_one_private_address_among_public_ones_is_enough_to_refuse(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _answer(monkeypatch, [["93.184.215.14", "10.0.0.1"]])
    with pytest.raises(RepositoryError, match="has a private address"):
        await resolve_remote(
            Source("https://git.example/a/b"), SourcePolicy(frozenset({"*"})), {}
        )


async def test_a_name_is_resolved_once_and_git_is_pinned_to_the_answer(
    home: Path, server: GitServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The second answer would lead elsewhere (DNS rebinding); the name itself resolves
    # nowhere but here.
    asked = _answer(monkeypatch, [["127.0.0.1"], ["192.0.2.1"]])
    host = f"rebind.invalid:{server.port}"
    cache = RepositoryCache(home, policy=SourcePolicy(frozenset(), frozenset({host})))
    assert (await cache.resolve(f"http://{host}/project.git")).sha
    assert asked == ["rebind.invalid"]
    assert server.fetches == 1


def _answer(monkeypatch: pytest.MonkeyPatch, answers: list[list[str]]) -> list[str]:
    asked: list[str] = []

    async def getaddrinfo(
        self: object, host: str, port: int, **_: object
    ) -> list[tuple[object, ...]]:
        asked.append(host)
        found = answers[min(len(asked), len(answers)) - 1]
        return [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))
            for address in found
        ]

    loops = asyncio.base_events.BaseEventLoop
    # There is no hostile resolver on the network.
    monkeypatch.setattr(loops, "getaddrinfo", getaddrinfo)  # house: a hostile resolver
    return asked


@pytest.mark.parametrize(
    "host", ["2130706433", "0x7f.1", "127.1", "localhost", "0177.0.0.1"]
)
async def test_other_spellings_of_loopback_are_seen_through(
    home: Path, host: str
) -> None:
    cache = RepositoryCache(home, policy=SourcePolicy(frozenset({"*"})))
    with pytest.raises(
        (RepositoryError, InvalidInput), match=r"private address|no host"
    ):
        await cache.resolve(f"https://{host}/a/b")


async def test_a_slow_server_does_not_hold_up_other_repositories(
    home: Path, server: GitServer, repo: Path
) -> None:
    server.gate.clear()
    cache = RepositoryCache(
        home,
        policy=SourcePolicy(frozenset(), frozenset({server.host}), allow_local=True),
    )
    async with asyncio.TaskGroup() as group:
        slow = group.create_task(cache.resolve(server.url("project")))
        await until_a_pack_is_asked_for(server)
        local = await cache.resolve(str(repo))
        assert not slow.done()
        server.gate.set()
    assert slow.result().sha == local.sha
