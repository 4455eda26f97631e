"""The façade's verbs over HTTP, for `--server URL`: the same commands, another machine."""

import asyncio
import base64
import json
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from typing import Any

import httpx2

from aideator.app import Batch, Page
from aideator.domain.errors import (
    AideatorError,
    Conflict,
    FieldError,
    InvalidInput,
    NotFound,
    TooManyRequests,
    Unavailable,
)
from aideator.domain.project import Project
from aideator.domain.run import (
    AgentSpec,
    ComposedPart,
    Publication,
    PublishRequest,
    Run,
    RunDetails,
    RunSpec,
    RunStatus,
)
from aideator.eventlog.base import Entry
from aideator.sandbox.base import Size
from aideator.statistics.model import Stats
from aideator.workbench.model import Terminal
from aideator.workbench.terminal import Ended, Printed

_PATIENCE = 10
"""How often a lost stream is taken up again without an event in between."""

_PAGE = 100
_TOLD_APART = (NotFound, Conflict, TooManyRequests)
"""Errors that a command may do something about."""
_FETCH_SECONDS = 600
"""How long a server may take to fetch a repository that it has not seen before."""
_PUBLISHING = 400.0
"""Seconds that a push, or a large file, may take."""


class RemoteAideator:
    """An AIdeator behind an address. Made by `open_remote`."""

    def __init__(self, client: httpx2.AsyncClient) -> None:
        self.keeping = RemoteKeeping(client)
        self.workbench = RemoteWorkbench(client)
        self._client = client

    async def submit(self, spec: RunSpec, *, local: bool = False) -> Run:  # noqa: ARG002 - the server decides that
        """Submit a run."""
        body = spec.model_dump(mode="json", exclude_defaults=True) | {
            "repo_url": spec.repo_url,
            "prompt": spec.prompt,
        }
        accepted = await self._call(
            "POST", "/runs", json=body | {"variations": spec.variations}
        )
        return await self.get(accepted["run_id"])

    async def inspect(
        self,
        repo_url: str,
        ref: str | None = None,
        *,
        local: bool = False,  # noqa: ARG002 - the server decides that
    ) -> Project:
        """Look at a repository."""
        asked = {"repo_url": repo_url, "ref": ref}
        return Project.model_validate(
            await self._call(
                "POST", "/repositories/inspect", json=asked, timeout=_FETCH_SECONDS
            )
        )

    async def get(self, run_id: str) -> RunDetails:
        """A run with its variations."""
        return RunDetails.model_validate(await self._call("GET", f"/runs/{run_id}"))

    async def list(
        self,
        *,
        before: str | None = None,
        limit: int = 50,
        status: RunStatus | None = None,
    ) -> Page:
        """A page of runs."""
        asked = {"cursor": before, "limit": limit, "status": status}
        page = await self._call(
            "GET", "/runs", params={k: v for k, v in asked.items() if v is not None}
        )
        return Page(
            runs=tuple(Run.model_validate(run) for run in page["runs"]),
            next=page["next"],
        )

    async def resolve(self, part: str) -> str:
        """The id of the run that begins or ends with `part`.

        The API knows whole ids only.

        Raises:
            NotFound: if no run or more than one fits.
        """
        found: list[str] = []
        page = Page(runs=(), next=None)
        while len(found) < 2:
            page = await self.list(before=page.next, limit=_PAGE)
            found += [
                run.id
                for run in page.runs
                if run.id.startswith(part) or run.id.endswith(part)
            ]
            if page.next is None:
                break
        if len(found) != 1:
            problem = "more than one run fits" if found else "there is no run"
            raise NotFound(f"{problem} {part!r}", hint="`aideator list` shows the ids")
        return found[0]

    async def follow(self, run_id: str, *, after: int = 0) -> AsyncGenerator[Batch]:
        """The run's events; a lost connection is taken up again where it broke."""
        tries, complete = 0, False
        while tries < _PATIENCE:
            try:
                async for entry in self._stream(run_id, after):
                    after, tries, complete = entry.seq, 0, entry.kind == "complete"
                    yield [entry]
                if complete:  # not at the first one: a run may have gone on since
                    return
                tries += 1
            except httpx2.TransportError:
                tries += 1
            await asyncio.sleep(min(0.2 * 2**tries, 5))
        raise Unavailable(
            "the server's stream was lost", hint="`aideator watch` takes it up again"
        )

    async def _stream(self, run_id: str, after: int) -> AsyncIterator[Entry]:
        async with _listen(self._client, f"/runs/{run_id}/stream", after) as told:
            async for data in told:
                event = json.loads(data)
                yield Entry(event["seq"], event["body"]["kind"], data.encode())

    async def patch(self, run_id: str, number: int) -> bytes:
        """What a variation changed."""
        answer = await self._send("GET", f"/runs/{run_id}/variations/{number}/patch")
        return answer.content

    async def select(self, run_id: str, number: int, reason: str = "") -> RunDetails:
        """Keep a variation as the winner."""
        await self._call(
            "POST",
            f"/runs/{run_id}/select",
            json={"winning_variation_id": number, "reason": reason},
        )
        return await self.get(run_id)

    async def cancel(self, run_id: str, number: int | None = None) -> RunDetails:
        """Stop a run or one of its variations."""
        what = (
            f"/runs/{run_id}"
            if number is None
            else f"/runs/{run_id}/variations/{number}"
        )
        await self._call("POST", f"{what}/cancel")
        return await self.get(run_id)

    async def prompt(self, run_id: str, number: int | None, text: str) -> RunDetails:
        """Give one variation, or all, a follow-up turn."""
        what = (
            f"/runs/{run_id}"
            if number is None
            else f"/runs/{run_id}/variations/{number}"
        )
        return await self._details(f"{what}/prompt", {"prompt": text})

    async def add(self, run_id: str, agent: AgentSpec) -> RunDetails:
        """Have one more agent work on the run."""
        return await self._details(
            f"/runs/{run_id}/variations", agent.model_dump(mode="json")
        )

    async def compose(self, run_id: str, parts: Sequence[ComposedPart]) -> RunDetails:
        """Put parts of variations together as a new one."""
        told = [part.model_dump(mode="json") for part in parts]
        return await self._details(f"/runs/{run_id}/compose", {"parts": told})

    async def _details(self, path: str, body: Any) -> RunDetails:
        return RunDetails.model_validate(await self._call("POST", path, json=body))

    async def _call(self, method: str, path: str, **more: Any) -> Any:
        return (await self._send(method, path, **more)).json()

    async def _send(self, method: str, path: str, **more: Any) -> httpx2.Response:
        return await _send(self._client, method, path, **more)


class RemoteKeeping:
    """`Aideator.keeping` behind an address."""

    def __init__(self, client: httpx2.AsyncClient) -> None:
        self._client = client

    async def deselect(self, run_id: str) -> RunDetails:
        """Take the decision back."""
        answer = await _send(self._client, "POST", f"/runs/{run_id}/deselect")
        return RunDetails.model_validate_json(answer.content)

    async def clear(self, run_id: str, number: int, reason: str) -> RunDetails:
        """Let a variation's flags pass."""
        path = f"/runs/{run_id}/variations/{number}/clear"
        answer = await _send(self._client, "POST", path, json={"reason": reason})
        return RunDetails.model_validate_json(answer.content)

    async def publish(self, run_id: str, wish: PublishRequest) -> Publication:
        """Push the winner, and open a pull request."""
        path = f"/runs/{run_id}/publish"
        answer = await _send(
            self._client, "POST", path, json=wish.model_dump(), timeout=_PUBLISHING
        )
        return Publication.model_validate_json(answer.content)

    async def export(self, run_id: str) -> bytes:
        """The run as one file."""
        answer = await _send(
            self._client, "GET", f"/runs/{run_id}/export", timeout=_PUBLISHING
        )
        return answer.content

    async def import_(self, data: bytes) -> RunDetails:
        """Read a run from a file."""
        kind = {"content-type": "application/zip"}
        answer = await _send(
            self._client,
            "POST",
            "/runs/import",
            content=data,
            headers=kind,
            timeout=_PUBLISHING,
        )
        return RunDetails.model_validate_json(answer.content)

    async def stats(self) -> Stats:
        """What the decisions say."""
        return Stats.model_validate_json(
            (await _send(self._client, "GET", "/stats")).content
        )


class RemoteWorkbench:
    """`Aideator.workbench` behind an address."""

    def __init__(self, client: httpx2.AsyncClient) -> None:
        self._client = client

    async def open_terminal(
        self, run_id: str, number: int, size: Size, command: str | None = None
    ) -> Terminal:
        """Open a terminal."""
        wish = {**size._asdict(), "command": command}
        path = f"/runs/{run_id}/variations/{number}/terminals"
        told = (
            await _send(self._client, "POST", path, json=wish, timeout=_FETCH_SECONDS)
        ).json()
        return Terminal.model_validate(
            {name: told[name] for name in Terminal.model_fields}
        )

    def terminal(self, terminal_id: str) -> "RemoteTerminal":
        """The terminal of that id."""
        return RemoteTerminal(self._client, f"/terminals/{terminal_id}")

    async def close_terminal(self, terminal_id: str) -> None:
        """Close a terminal."""
        await _send(self._client, "DELETE", f"/terminals/{terminal_id}")


class RemoteTerminal:
    """A terminal behind an address."""

    def __init__(self, client: httpx2.AsyncClient, path: str) -> None:
        self._client, self._path = client, path

    async def type(self, keys: str) -> None:
        """Send what a person types."""
        await _send(self._client, "POST", f"{self._path}/input", json={"keys": keys})

    async def resize(self, size: Size) -> None:
        """Give it another size."""
        await _send(self._client, "POST", f"{self._path}/size", json=size._asdict())

    async def follow(self, after: int = 0) -> AsyncGenerator[Printed | Ended]:
        """What it prints, and how it ends; a lost connection is taken up again where it broke."""
        tries = 0
        while tries < _PATIENCE:
            with suppress(httpx2.TransportError):
                async with aclosing(self._stream(after)) as said:
                    async for each in said:
                        tries = 0
                        yield each
                        if isinstance(each, Ended):
                            return
                        after = each.end
            tries += 1
            await asyncio.sleep(min(0.2 * 2**tries, 5))

    async def _stream(self, after: int) -> AsyncGenerator[Printed | Ended]:
        async with _listen(self._client, f"{self._path}/stream", after) as told:
            async for data in told:
                said = json.loads(data)
                if "data" in said:
                    yield Printed(said["at"], base64.b64decode(said["data"]))
                else:
                    yield Ended(after, said["exit_code"], said["reason"])


@asynccontextmanager
async def _listen(
    client: httpx2.AsyncClient, path: str, after: int
) -> AsyncIterator[AsyncIterator[str]]:
    """The data of a stream's events behind the one with the id `after`, until the connection ends."""
    headers = {"Last-Event-ID": str(after)} if after else {}
    async with client.stream("GET", path, headers=headers, timeout=None) as answer:
        if answer.status_code >= 400:
            await answer.aread()
            raise _problem(answer)
        yield (
            line[6:] async for line in answer.aiter_lines() if line.startswith("data: ")
        )


async def _send(
    client: httpx2.AsyncClient, method: str, path: str, **more: Any
) -> httpx2.Response:
    try:
        answer = await client.request(method, path, **more)
    except httpx2.TransportError as error:
        raise Unavailable(
            f"the server does not answer: {error}", hint="is `aideator serve` running?"
        ) from None
    if answer.status_code >= 400:
        raise _problem(answer)
    return answer


def _problem(answer: httpx2.Response) -> AideatorError:
    """The server's problem document (RFC 9457) as the error that it was."""
    try:
        problem = answer.json()
    except ValueError:
        return Unavailable(
            f"{answer.url} answered {answer.status_code}", hint="is that an AIdeator?"
        )
    fields = [FieldError(e["field"], e["message"]) for e in problem.get("errors", [])]
    message, hint = (
        problem.get("detail", f"status {answer.status_code}"),
        problem.get("hint", ""),
    )
    kind = {each.status: each for each in _TOLD_APART}.get(
        answer.status_code, AideatorError
    )
    return (
        InvalidInput(fields=fields, hint=hint) if fields else kind(message, hint=hint)
    )


@asynccontextmanager
async def open_remote(
    url: str, *, prefix: str, header: str, key: str | None
) -> AsyncIterator[RemoteAideator]:
    """Speak to the server at `url`.

    Args:
        url: Its address, such as `http://127.0.0.1:8000`.
        prefix: Where its API lives.
        header: The name of the header that carries the key.
        key: The API key, if the server wants one.
    """
    headers = {header: key} if key else {}
    async with httpx2.AsyncClient(
        base_url=url.rstrip("/") + prefix, headers=headers, timeout=30
    ) as client:
        yield RemoteAideator(client)
