"""A user who opens terminals and previews of variations over HTTP."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2

from aideator.api.server import Server, listen, serve_app
from tests.actions import User, user
from tests.conftest import PATIENCE, comes_true

AT_WORK = {
    "lanes": {
        "default": [
            {
                "calls": [
                    {
                        "bash": {
                            "command": (
                                "touch begun; until [ -e go ]; do sleep 0.05; "
                                "done; rm go begun"
                            )
                        }
                    }
                ]
            },
            {
                "calls": [
                    {
                        "bash": {
                            "command": "sed -i 's/return a - b/return a + b/' calc.py"
                        }
                    }
                ]
            },
            {"say": "Done."},
        ]
    }
}
"""An agent that waits for a file, then repairs what is wrong."""


def running(command: str) -> list[Path]:
    wanted = command.replace(" ", "\0").encode()
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if wanted in path.read_bytes():
                found.append(path)
        except OSError:
            continue
    return found


@dataclass
class Terminal:
    """A terminal as a page has it."""

    client: httpx2.AsyncClient
    told: dict[str, Any]
    shown: bytes = b""
    at: int = 0
    """Where the reader stands, as its last event id."""
    gaps: list[tuple[int, int]] = field(default_factory=list)
    ended: dict[str, Any] | None = None

    @property
    def path(self) -> str:
        return f"/terminals/{self.told['id']}"

    async def types(self, keys: str) -> None:
        (
            await self.client.post(f"{self.path}/input", json={"keys": keys})
        ).raise_for_status()

    async def reads(self, until: bytes | None = None) -> bytes:
        """Read to the end, or until something was shown; return all that was shown."""
        if until is not None and until in self.shown:
            return self.shown
        try:
            async with asyncio.timeout(PATIENCE):
                await self._follow(until)
        except TimeoutError:
            raise AssertionError(
                f"{until!r} was not shown: {self.shown[-1000:]!r}"
            ) from None
        return self.shown

    async def _follow(self, until: bytes | None) -> None:
        headers = {"Last-Event-ID": str(self.at)} if self.at else {}
        async with self.client.stream(
            "GET", f"{self.path}/stream", headers=headers
        ) as answer:
            assert answer.status_code == 200, await answer.aread()
            async for event in _events(answer):
                self._take(event)
                if until is not None and until in self.shown:
                    break

    def _take(self, event: dict[str, str]) -> None:
        told = json.loads(event["data"])
        if event["event"] == "exit":
            self.ended = told
            return
        data = base64.b64decode(told["data"])
        if told["at"] != self.at:
            self.gaps.append((self.at, told["at"]))
        assert int(event["id"]) == told["at"] + len(data)
        self.shown, self.at = self.shown + data, int(event["id"])

    async def ends(self) -> dict[str, Any]:
        await self.reads()
        assert self.ended is not None
        return self.ended

    async def closes(self) -> None:
        (await self.client.delete(self.path)).raise_for_status()


async def _events(answer: httpx2.Response) -> AsyncIterator[dict[str, str]]:
    fields: dict[str, str] = {}
    async for line in answer.aiter_lines():
        if not line:
            if "data" in fields:
                yield fields
            fields = {}
        elif not line.startswith(":"):
            name, _, value = line.partition(": ")
            fields[name] = value


@dataclass
class Person:
    """A person with a browser, a server, and a run on it."""

    me: User
    server: Server
    client: httpx2.AsyncClient
    run_id: str

    @property
    def path(self) -> str:
        return f"/runs/{self.run_id}/variations/1"

    async def looks(self, number: int = 1) -> dict[str, Any]:
        answer = await self.client.get(
            f"/runs/{self.run_id}/variations/{number}/terminals"
        )
        answer.raise_for_status()
        return dict(answer.json())

    async def opens(self, command: str | None = None, **size: int) -> Terminal:
        answer = await self.client.post(
            f"{self.path}/terminals", json={"command": command, **size}
        )
        assert answer.status_code == 201, answer.text
        return Terminal(self.client, answer.json())

    async def runs(self, command: str) -> str:
        """What a command prints, in a terminal of its own."""
        terminal = await self.opens(command)
        assert (await terminal.ends())["exit_code"] == 0, terminal.shown
        return terminal.shown.decode().replace("\r\n", "\n")

    async def previews(self, port: int) -> "Shown":
        answer = await self.client.post(f"{self.path}/previews", json={"port": port})
        assert answer.status_code == 201, answer.text
        return Shown(self.server, answer.json())

    async def waits_until_nothing_is_open(self) -> None:
        """The fact that copies have closed: their forks are gone."""
        forks = self.me.app.settings.aideator_home / "forks"
        await comes_true(lambda: not list(forks.iterdir()))

    async def finds(self, place: str) -> None:
        """Wait until a sandbox of that kind can be opened."""

        async def is_there() -> bool:
            return bool((await self.looks())["place"] == place)

        await comes_true(is_there)


@dataclass
class Shown:
    """A preview, requested as a browser does from its frame: by its host name."""

    server: Server
    told: dict[str, Any]

    @property
    def host(self) -> str:
        return urlsplit(str(self.told["url"])).netloc

    async def asks(self, method: str, path: str = "/", **more: Any) -> httpx2.Response:
        headers = {"Host": self.host, "Sec-Fetch-Dest": "iframe"} | more.pop(
            "headers", {}
        )
        async with httpx2.AsyncClient(
            base_url=self.server.url, timeout=PATIENCE
        ) as client:
            return await client.request(method, path, headers=headers, **more)

    @asynccontextmanager
    async def streams(self, path: str) -> AsyncIterator[AsyncIterator[bytes]]:
        """The pieces of an answer as they come."""
        async with (
            httpx2.AsyncClient(base_url=self.server.url, timeout=PATIENCE) as client,
            client.stream("GET", path, headers={"Host": self.host}) as answer,
        ):
            yield answer.aiter_bytes()

    async def gets(self, path: str = "/", **headers: str) -> httpx2.Response:
        return await self.asks("GET", path, headers=headers)

    async def waits(self, path: str = "/") -> httpx2.Response:
        """Load the page again, as it says, until a server listens."""

        answers: list[httpx2.Response] = []

        async def listens() -> bool:
            answers.append(await self.gets(path))
            return (
                answers[-1].status_code != 502
                or "No server listens" not in answers[-1].text
            )

        await comes_true(listens)
        return answers[-1]


@asynccontextmanager
async def person(
    home: Path,
    repo: Path,
    scenario: str | dict[str, Any] = "one_edit",
    *,
    finished: bool = True,
    **settings: Any,
) -> AsyncIterator[Person]:
    """Serve an AIdeator that has a run of one variation, finished or at work."""
    async with AsyncExitStack() as stack:
        told: dict[str, Any] = {
            "aideator_sandbox": "bubblewrap",
            "sse_ping_interval": 0.2,
        } | settings
        me = await stack.enter_async_context(user(home, repo, scenario, **told))
        listener = stack.enter_context(listen("127.0.0.1", 0))
        server = await stack.enter_async_context(serve_app(me.app, listener))
        client = httpx2.AsyncClient(base_url=f"{server.url}/api/v1", timeout=PATIENCE)
        await stack.enter_async_context(client)
        run = await me.asks(checks=[])
        one = Person(me, server, client, run.id)
        if finished:
            await me.waits(run.id)
        else:
            await one.finds("agent")
        yield one
