"""Whom a server on this machine answers, and what ends with the right to it."""

import asyncio
import ctypes
import http.client
import json
import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest

from aideator.api import sessions
from aideator.api.peer import can_read_repository, peer_uid
from aideator.api.sessions import LoginThrottle, Sessions
from aideator.domain.errors import TooManyRequests, Unauthorized
from tests.api.stage import Stage, frames, open_stage
from tests.api.test_auth import OPEN, calls
from tests.conftest import PATIENCE, git

STRANGER = 4242
HTTPS = {"X-Forwarded-Proto": "https"}

needs_root = pytest.mark.skipif(
    os.geteuid() != 0, reason="only root can act as another user of the machine"
)


@contextmanager
def sockets_of(uid: int) -> Iterator[None]:
    """Let the sockets that this thread makes belong to another user.

    A socket belongs to the file system user of the thread that makes it, and glibc's
    `setfsuid` changes that of the calling thread alone.
    """
    libc = ctypes.CDLL(None)
    libc.setfsuid(uid)
    try:
        yield
    finally:
        libc.setfsuid(os.geteuid())


@dataclass
class Answer:
    """The answer to a stranger."""

    status: int
    headers: http.client.HTTPMessage
    body: Any


@dataclass(frozen=True)
class Program:
    """A program of some user of this machine, which asks a server."""

    stage: Stage
    uid: int = STRANGER
    source: str = "127.0.0.1"

    async def asks(
        self,
        method: str,
        path: str,
        body: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        return await asyncio.to_thread(self._asks, method, path, body, headers or {})

    def _asks(
        self, method: str, path: str, body: object, headers: Mapping[str, str]
    ) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.stage.port, PATIENCE)
        with closing(connection):
            with sockets_of(self.uid):
                address = ("127.0.0.1", self.stage.port)
                connection.sock = socket.create_connection(
                    address, PATIENCE, (self.source, 0)
                )
            told = {"Content-Type": "application/json", **headers}
            connection.request(method, path, json.dumps(body), told)
            answer = connection.getresponse()
            is_json = "json" in answer.headers.get_content_type()
            text = answer.read() if is_json else b""  # not a stream, which goes on
            content = json.loads(text) if text else None
            return Answer(answer.status, answer.headers, content)


@pytest.mark.parametrize(
    ("family", "host"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")]
)
@pytest.mark.parametrize("uid", [0, STRANGER, 2**31])
@needs_root
def test_the_kernel_tells_whose_a_connection_is(
    family: socket.AddressFamily, host: str, uid: int
) -> None:
    with (
        socket.create_server((host, 0), family=family) as server,
        sockets_of(uid),
        socket.create_connection(server.getsockname()[:2]),
        server.accept()[0] as accepted,
    ):
        own, peer = accepted.getsockname()[:2], accepted.getpeername()[:2]
        assert peer_uid(peer, own) == uid
        assert peer_uid((peer[0], 1), own) is None
        assert peer_uid(peer, (own[0], 1)) is None


@pytest.mark.parametrize(
    "nonsense", [("", 1), ("example.org", 1), ("fe80::1%eth0", 1), ("192.0.2.1", 80)]
)
def test_what_is_no_connection_of_this_machine_is_of_nobody(
    nonsense: tuple[str, int],
) -> None:
    assert peer_uid(nonsense, ("127.0.0.1", 1)) is None


@needs_root
async def test_without_keys_a_server_answers_its_own_user_only(stage: Stage) -> None:
    stranger = Program(stage)
    run_id = await stage.finished_run()
    closed = 0
    for method, path, url in await calls(stage, run_id):
        for headers in (
            {},
            {"X-API-Key": "aid_wrong"},
            {"Cookie": "aideator_session=x"},
        ):
            answer = await stranger.asks(method.upper(), url, headers=headers)
            if (method, path) in OPEN:
                continue
            assert (answer.status, method, path) == (401, method, path)
            closed += 1
    assert closed > 90
    refused = await stranger.asks("GET", "/api/v1/runs")
    assert refused.body["detail"].startswith("this server answers the user who started")
    assert "aideator link" in refused.body["hint"]
    assert (await Program(stage, uid=0).asks("GET", "/api/v1/runs")).status == 200


@needs_root
async def test_a_link_lets_one_browser_of_another_user_in(home: Path) -> None:
    async with open_stage(home) as stage:
        link = await stage.server.make_link()
        assert link is not None
        url, _, token = link.partition("#")
        assert url == f"{stage.url}/login"
        stranger, session = Program(stage), "/api/v1/session"
        login = {"link_token": token}
        answer = await stranger.asks("POST", session, login)
        assert answer.status == 204
        cookie = {"Cookie": answer.headers["Set-Cookie"].partition(";")[0]}
        again = await stranger.asks("POST", session, login)
        assert again.status == 401
        assert "has been used" in again.body["detail"]
        runs = "/api/v1/runs"
        assert (await stranger.asks("GET", runs, headers=cookie)).status == 200
        assert (await stranger.asks("GET", runs)).status == 401
        await stranger.asks("DELETE", session, headers=cookie)
        assert (await stranger.asks("GET", runs, headers=cookie)).status == 401


async def test_a_further_link_has_the_rights_of_who_asks_for_it(home: Path) -> None:
    async with open_stage(home) as stage:
        known, key = await stage.app.create_key("test")
        assert await stage.server.make_link() is None
        links = "/api/v1/session/links"
        assert (await stage.client.post(links)).status_code == 401
        made = await stage.client.post(links, headers={"X-API-Key": key})
        token = made.json()["path"].partition("#")[2]
        login = {"link_token": token}
        assert (
            await stage.client.post("/api/v1/session", json=login)
        ).status_code == 204
        told = (await stage.client.get("/api/v1/server")).json()
        assert told["caller"] == known.id
        await stage.app.revoke_key(known.id)
        await stage.app.create_key("another")
        assert (await stage.client.get("/api/v1/server")).status_code == 401


def test_links_are_few_and_used_once() -> None:
    known = Sessions()
    first, *rest = [known.make_link() for _ in range(sessions.LINKS + 1)]
    assert all(known.find(known.redeem(token)) for token in rest)
    for token in (first, *rest):
        with pytest.raises(Unauthorized):
            known.redeem(token)


@pytest.mark.parametrize(
    "login", [{}, {"api_key": "x", "link_token": "x"}, {"link_token": ""}]
)
async def test_a_login_is_one_of_the_two(stage: Stage, login: dict[str, str]) -> None:
    answer = await stage.client.post("/api/v1/session", json=login)
    assert answer.status_code == 422


REPOSITORIES = {
    "own": ("0700 stranger", True),
    "open": ("0755 root", True),
    "closed": ("0700 root", False),
    "not-listable": ("0711 root", False),
    "group-of-others": ("0750 root", False),
}


@needs_root
@pytest.mark.parametrize(
    ("told", "readable"), REPOSITORIES.values(), ids=REPOSITORIES.keys()
)
@pytest.mark.parametrize("closed", ["", ".git", ".git/objects", ".git/refs"])
def test_a_repository_is_readable_where_all_that_leads_to_it_is(
    home: Path, repo: Path, told: str, closed: str, *, readable: bool
) -> None:
    mode, owner = told.split()
    place = repo / closed
    place.chmod(int(mode, 8))
    if owner == "stranger":
        os.chown(place, STRANGER, STRANGER)
    assert can_read_repository(STRANGER, repo) is readable
    assert can_read_repository(0, repo)
    home.chmod(0o700)
    assert not can_read_repository(STRANGER, repo)


@needs_root
def test_a_link_to_a_closed_repository_opens_nothing(home: Path, repo: Path) -> None:
    linked = home / "linked"
    git(repo, "worktree", "add", "-q", str(linked))
    (home / "symlink").symlink_to(repo)
    bare = home / "bare"
    git(repo, "clone", "-q", "--bare", str(repo), str(bare))
    places = [repo, linked, home / "symlink", bare]
    assert all(can_read_repository(STRANGER, place) for place in places)
    for closed in (repo, bare):
        closed.chmod(0o700)
    assert not any(can_read_repository(STRANGER, place) for place in places)
    assert not can_read_repository(STRANGER, home / "nothing")
    (home / "loop").symlink_to(home / "loop")
    assert not can_read_repository(STRANGER, home / "loop")


@needs_root
async def test_another_user_s_key_names_no_repository_that_they_cannot_read(
    home: Path, repo: Path
) -> None:
    async with open_stage(home) as stage:
        _, key = await stage.app.create_key("test")
        headers = {"X-API-Key": key}

        async def inspected_by(uid: int, path: Path) -> Answer:
            url, body = "/api/v1/repositories/inspect", {"repo_url": str(path)}
            return await Program(stage, uid).asks("POST", url, body, headers)

        await asyncio.to_thread(repo.chmod, 0o700)
        refused = await inspected_by(STRANGER, repo)
        missing = await inspected_by(STRANGER, home / "missing")
        assert (refused.status, missing.status) == (403, 403)
        words = "the user with uid 4242 cannot read a repository at "
        assert refused.body["detail"] == f"{words}{repo}"
        assert missing.body["detail"] == f"{words}{home / 'missing'}"
        assert (await inspected_by(0, repo)).status == 200
        await asyncio.to_thread(repo.chmod, 0o755)
        assert (await inspected_by(STRANGER, repo)).status == 200
        body = {"repo_url": "/root", "prompt": "Read what I may not read"}
        run = await Program(stage).asks("POST", "/api/v1/runs", body, headers)
        assert run.status == 403


async def log_in(stage: Stage, key: str) -> httpx2.AsyncClient:
    """Return a browser with a session of its own."""
    browser = httpx2.AsyncClient(base_url=stage.url, timeout=PATIENCE)
    await browser.post("/api/v1/session", json={"api_key": key})
    return browser


@dataclass
class Watcher:
    """Somebody who watches a run."""

    client: httpx2.AsyncClient
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    began: asyncio.Event = field(default_factory=asyncio.Event)

    async def watch(self) -> None:
        async with self.client.stream("GET", self.path, headers=self.headers) as answer:
            async for _ in frames(answer):
                self.began.set()


async def test_streams_end_with_the_right_to_them_and_others_go_on(home: Path) -> None:
    async with open_stage(home) as stage, AsyncExitStack() as stack:
        first, key = await stage.app.create_key("first")
        _, other = await stage.app.create_key("other")
        run_id = await stage.run()
        await stage.say(run_id, "Hello")
        path = f"/api/v1/runs/{run_id}/stream"
        browsers = [await log_in(stage, key) for _ in "12"]
        for browser in browsers:
            stack.push_async_callback(browser.aclose)
        watchers = [
            *(Watcher(browser, path) for browser in browsers),
            Watcher(stage.client, path, {"X-API-Key": key}),
            Watcher(stage.client, path, {"X-API-Key": other}),
        ]
        async with asyncio.timeout(PATIENCE), asyncio.TaskGroup() as tasks:
            out, *revoked, stays = [
                tasks.create_task(watcher.watch()) for watcher in watchers
            ]
            for watcher in watchers:
                await watcher.began.wait()
            await browsers[0].delete("/api/v1/session")
            await out
            assert not any(task.done() for task in (*revoked, stays))
            await stage.app.revoke_key(first.id)
            await asyncio.wait(revoked)
            assert not stays.done()
            stays.cancel()


async def test_a_stream_ends_when_its_session_expires(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "SESSION_SECONDS", 2)
    async with open_stage(home) as stage, asyncio.timeout(PATIENCE):
        run_id = await stage.run()
        _, key = await stage.app.create_key("test")
        browser = await log_in(stage, key)
        async with browser.stream("GET", f"/api/v1/runs/{run_id}/stream") as answer:
            assert answer.status_code == 200
            assert [line async for line in answer.aiter_lines()]
        await browser.aclose()


async def test_an_address_that_fails_too_often_has_to_wait(home: Path) -> None:
    async with open_stage(home) as stage:
        _, key = await stage.app.create_key("test")

        async def tried(login: dict[str, str], source: str) -> int:
            program = Program(stage, os.geteuid(), source)
            return (await program.asks("POST", "/api/v1/session", login)).status

        wrong = [{"api_key": "aid_wrong"}, {"link_token": "wrong"}]
        found = [await tried(wrong[n % 2], "127.0.0.2") for n in range(12)]
        assert found == [401] * sessions.FAILURES + [429, 429]
        assert await tried({"api_key": key}, "127.0.0.2") == 429
        assert await tried({"api_key": key}, "127.0.0.3") == 204
        headers = {"X-API-Key": key}
        assert (
            await stage.client.get("/api/v1/runs", headers=headers)
        ).status_code == 200


def test_failures_are_forgotten_in_time_and_do_not_pile_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    throttle = LoginThrottle(addresses=3)

    def fail(*addresses: str) -> None:
        for address in addresses:
            throttle.count_failure(address)

    fail(*["1"] * sessions.FAILURES, "2", "3")
    with pytest.raises(TooManyRequests):
        throttle.check("1")
    fail("4")  # the one whose last failure is the oldest makes room
    throttle.check("1")
    fail(*["4"] * sessions.FAILURES)
    with pytest.raises(TooManyRequests):
        throttle.check("4")
    monkeypatch.setattr(sessions, "FAILURE_SECONDS", -1.0)
    throttle.check("4")


async def test_over_tls_only_the_cookie_counts_that_no_other_host_can_set(
    home: Path,
) -> None:
    async with open_stage(home) as stage:
        _, key = await stage.app.create_key("test")
        login = await stage.client.post(
            "/api/v1/session", json={"api_key": key}, headers=HTTPS
        )
        name, _, rest = login.headers["set-cookie"].partition("=")
        value, _, attributes = rest.partition(";")
        assert name == "__Host-aideator_session"
        assert {"secure", "httponly", "path=/", "samesite=strict"} <= {
            each.strip().lower() for each in attributes.split(";")
        }
        assert "domain" not in attributes.lower()
        stage.client.cookies.clear()
        for cookie, status in ((name, 200), ("aideator_session", 401)):
            answer = await stage.client.get(
                "/api/v1/runs", headers={**HTTPS, "Cookie": f"{cookie}={value}"}
            )
            assert answer.status_code == status
