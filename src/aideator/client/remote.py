"""Client of a server's HTTP API: what every command that touches runs calls.

`blocking.py` is made of this module, for programs without an event loop.

Optional packages have their calls in a module `client` of their own, which use `send`
and `listen`.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import httpx2

from aideator.client.local import connect
from aideator.client.problems import error_of
from aideator.domain.errors import InvalidInput, Unavailable
from aideator.domain.pages import Page
from aideator.domain.project import Location, Project
from aideator.domain.run import (
    AgentSpec,
    ComposedPart,
    Run,
    RunDetails,
    RunSpec,
    RunStatus,
)
from aideator.environment import read_variables
from aideator.eventlog.base import Batch, Entry
from aideator.store.home import Owner

RETRIES = 10
"""How often a lost stream is opened again without an event in between."""
FETCH_SECONDS = 600
"""How long a server may take to fetch a repository that it has not seen before."""


class AsyncClient:
    """An AIdeator at an address. Made by `open_remote`."""

    def __init__(self, client: httpx2.AsyncClient) -> None:
        """Use a client whose base URL is the API's prefix."""
        self._client = client

    async def submit(self, spec: RunSpec) -> Run:
        """Submit a run."""
        # Defaults are the server's to decide, but for what every submission names.
        body = spec.model_dump(mode="json", exclude_defaults=True) | {
            "repo_url": spec.repo_url,
            "prompt": spec.prompt,
            "variations": spec.variations,
        }
        # A person waits: what cannot be found is told at once, and leaves no run.
        accepted = await self.call(
            "POST",
            "/runs",
            params={"short_prompt": True, "find_first": True},
            json=body,
            timeout=FETCH_SECONDS,
        )
        return await self.get(accepted["run_id"])

    async def locate(self, text: str) -> Location:
        """Return what a text that names a repository means."""
        found = await self.call(
            "POST",
            "/repositories/locate",
            json={"repo_url": text},
            timeout=FETCH_SECONDS,
        )
        return Location.model_validate(found)

    async def inspect(
        self, repo_url: str, ref: str | None = None, path: str = ""
    ) -> Project:
        """Return how a repository would be set up and checked."""
        project = await self.call(
            "POST",
            "/repositories/inspect",
            json={"repo_url": repo_url, "ref": ref, "path": path},
            timeout=FETCH_SECONDS,
        )
        return Project.model_validate(project)

    async def get(self, run_id: str) -> RunDetails:
        """Return a run with its variations."""
        return RunDetails.model_validate(await self.call("GET", f"/runs/{run_id}"))

    async def list(
        self,
        *,
        before: str | None = None,
        limit: int = 50,
        status: RunStatus | None = None,
    ) -> Page:
        """Return a page of runs, newest first."""
        query = {"cursor": before, "limit": limit, "status": status}
        page = await self.call(
            "GET", "/runs", params={k: v for k, v in query.items() if v is not None}
        )
        return Page(
            runs=tuple(Run.model_validate(run) for run in page["runs"]),
            next=page["next"],
        )

    async def resolve(self, part: str) -> str:
        """Return the id of the run that begins or ends with `part`; `@` is the newest.

        Raises:
            NotFound: if no run or more than one fits.
        """
        page = await self.call("GET", "/runs", params={"match": part})
        return str(page["runs"][0]["id"])

    async def follow(
        self, run_id: str, *, after: int = 0, interactive: bool = False
    ) -> AsyncGenerator[Batch]:
        """Yield the run's events above the seq `after`, as they come.

        A lost connection is opened again where it broke.

        Raises:
            Unavailable: if it cannot be opened again.
        """
        tries, complete = 0, False
        while tries < RETRIES:
            try:
                async for entry in self._stream(run_id, after, interactive=interactive):
                    after, tries, complete = entry.seq, 0, entry.kind == "complete"
                    yield [entry]
                # Not at the first `complete`: the run may have continued since.
                if complete:
                    return
                tries += 1
            except httpx2.TransportError:
                tries += 1
            await pause(tries)
        raise Unavailable(
            "the server's stream was lost", hint="`aideator watch` takes it up again"
        )

    async def _stream(
        self,
        run_id: str,
        after: int,
        *,
        interactive: bool,
    ) -> AsyncIterator[Entry]:
        query = "?interactive=true" if interactive else ""
        async with self.listen(f"/runs/{run_id}/stream{query}", after) as events:
            async for data in events:
                event = json.loads(data)
                yield Entry(event["seq"], event["body"]["kind"], data.encode())

    async def last_seq(self, run_id: str) -> int:
        """Return the seq of the run's newest event; 0 when there is none yet."""
        page = await self.call("GET", f"/runs/{run_id}/events", params={"limit": 1})
        return int(page["last"])

    async def delete(self, run_id: str) -> None:
        """Delete a run that has ended, with its events, patches and results."""
        await self.send("DELETE", f"/runs/{run_id}")

    async def label(
        self, run_id: str, *, title: str | None = None, archived: bool | None = None
    ) -> RunDetails:
        """Name a run, or put it into the archive or back."""
        wanted = {"title": title, "archived": archived}
        return await self._details(f"/runs/{run_id}/labels", wanted)

    async def make_link(self) -> str:
        """Return the path of a link that logs in the browser that opens it first."""
        made = await self.call("POST", "/session/links")
        return str(made["path"])

    async def patch(self, run_id: str, number: int) -> bytes:
        """Return a variation's change, as `git diff --binary` writes it."""
        answer = await self.send("GET", f"/runs/{run_id}/variations/{number}/patch")
        return answer.content

    async def apply(
        self, run_id: str, number: int, *, branch: str = "", switch: bool = False
    ) -> dict[str, Any]:
        """Commit a variation's change on a branch of the run's local repository."""
        wanted = {"branch": branch, "switch": switch}
        path = f"/runs/{run_id}/variations/{number}/apply"
        applied: dict[str, Any] = await self.call("POST", path, json=wanted)
        return applied

    async def base_file(self, run_id: str, path: str) -> Sequence[str]:
        """Return the lines of a file of the commit that the run started from."""
        found = await self.call("GET", f"/runs/{run_id}/file", params={"path": path})
        lines: Sequence[str] = found["lines"]
        return lines

    async def select(self, run_id: str, number: int, reason: str = "") -> RunDetails:
        """Choose a variation as the winner."""
        choice = {"winning_variation_id": number, "reason": reason}
        return await self._details(f"/runs/{run_id}/select", choice)

    async def deselect(self, run_id: str) -> RunDetails:
        """Take the decision back."""
        return await self._details(f"/runs/{run_id}/deselect")

    async def clear(self, run_id: str, number: int, reason: str) -> RunDetails:
        """Clear a variation's flags."""
        path = f"/runs/{run_id}/variations/{number}/clear"
        return await self._details(path, {"reason": reason})

    async def resume(self, run_id: str) -> RunDetails:
        """Take up a run that was interrupted."""
        return await self._details(f"/runs/{run_id}/resume")

    async def cancel(self, run_id: str, number: int | None = None) -> RunDetails:
        """Stop a run or one of its variations."""
        return await self._details(f"{_path(run_id, number)}/cancel")

    async def prompt(self, run_id: str, number: int | None, text: str) -> RunDetails:
        """Give one variation, or all, a follow-up turn."""
        return await self._details(f"{_path(run_id, number)}/prompt", {"prompt": text})

    async def add(self, run_id: str, agent: AgentSpec) -> RunDetails:
        """Add one more agent to the run."""
        spec = agent.model_dump(mode="json")
        return await self._details(f"/runs/{run_id}/variations", spec)

    async def compose(self, run_id: str, parts: Sequence[ComposedPart]) -> RunDetails:
        """Combine parts of variations as a new variation."""
        chosen = [part.model_dump(mode="json") for part in parts]
        return await self._details(f"/runs/{run_id}/compose", {"parts": chosen})

    async def _details(
        self, path: str, body: Mapping[str, Any] | None = None
    ) -> RunDetails:
        return RunDetails.model_validate(await self.call("POST", path, json=body))

    async def call(self, method: str, path: str, **options: Any) -> Any:
        """Send a request, and return the JSON of its answer. See `send`."""
        return (await self.send(method, path, **options)).json()

    async def send(self, method: str, path: str, **options: Any) -> httpx2.Response:
        """Send a request.

        Args:
            method: GET, POST or DELETE.
            path: Below the API's prefix.
            options: Of httpx's `AsyncClient.request`.

        Raises:
            Unavailable: if the server does not answer.
            AideatorError: that the server answered with.
        """
        try:
            answer = await self._client.request(method, path, **options)
        except httpx2.TransportError as error:
            raise Unavailable(
                f"the server does not answer: {error}",
                hint="is `aideator serve` running?",
            ) from None
        if answer.status_code >= 400:
            raise error_of(answer.status_code, answer.content, str(answer.url))
        return answer

    @asynccontextmanager
    async def listen(self, path: str, after: int) -> AsyncIterator[AsyncIterator[str]]:
        """Yield the data of a stream's events, until the connection ends.

        Args:
            path: Below the API's prefix.
            after: The id of the last event that was received; 0 for none.

        Raises:
            AideatorError: that the server answered with.
        """
        headers = {"Last-Event-ID": str(after)} if after else {}
        async with self._client.stream(
            "GET", path, headers=headers, timeout=None
        ) as answer:
            if answer.status_code >= 400:
                await answer.aread()
                raise error_of(answer.status_code, answer.content, str(answer.url))
            # Not the lines of the answer: HTTPX ends one at U+2028 too, which JSON may
            # hold. An event may be as large as a page of a tool's output.
            events = httpx2.EventSource(answer, max_event_size=None)
            yield (event.data async for event in events if event.data)


async def pause(tries: int) -> None:
    """Wait before a lost stream is opened again: exponentially, at most 5 seconds."""
    await asyncio.sleep(min(0.2 * 2**tries, 5))


def _path(run_id: str, number: int | None) -> str:
    return (
        f"/runs/{run_id}" if number is None else f"/runs/{run_id}/variations/{number}"
    )


@asynccontextmanager
async def open_client(
    url: str | None = None, *, key: str | None = None
) -> AsyncIterator[AsyncClient]:
    """Open a client of the server at `url`, or of this user's own.

    Like the command line, it starts the user's own server if there is none; a server
    that it started ends with the client.

    Args:
        url: A server's address, such as `http://127.0.0.1:8000`; None for the server of
            this user and of the state directory that the environment names.
        key: The API key, if the server at `url` wants one.

    Raises:
        InvalidInput: if the address has no scheme.
        SettingsError: naming every wrong setting of the environment.
        Unavailable: if the user's own server does not start.
    """
    if url is not None:
        async with open_remote(url, key=key) as client:
            yield client
        return
    variables = read_variables()
    server = await asyncio.to_thread(connect, variables, stays=False)
    try:
        async with open_local(server.present) as client:
            yield client
    finally:
        await asyncio.to_thread(server.close)


@asynccontextmanager
async def open_remote(
    url: str,
    *,
    prefix: str = "/api/v1",
    header: str = "X-API-Key",
    key: str | None = None,
) -> AsyncIterator[AsyncClient]:
    """Open a client of the server at `url`.

    Args:
        url: Its address, such as `http://127.0.0.1:8000`.
        prefix: Where its API is: its setting API_V1_PREFIX.
        header: The name of the header that carries the key: API_KEY_HEADER.
        key: The API key, if the server wants one.

    Raises:
        InvalidInput: if the address has no scheme.
    """
    if not url.startswith(("http://", "https://")):
        raise InvalidInput(
            f"{url} is no address of a server", hint=f"did you mean http://{url} ?"
        )
    headers = {header: key} if key else {}
    async with httpx2.AsyncClient(
        base_url=url.rstrip("/") + prefix, headers=headers, timeout=30
    ) as client:
        yield AsyncClient(client)


@asynccontextmanager
async def open_local(present: Owner) -> AsyncIterator[AsyncClient]:
    """Open a client of a server of this user, over its Unix socket."""
    transport = httpx2.AsyncHTTPTransport(uds=present.socket)
    async with httpx2.AsyncClient(
        transport=transport, base_url=f"http://localhost{present.prefix}", timeout=30
    ) as client:
        yield AsyncClient(client)
