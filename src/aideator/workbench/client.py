"""The workbench of a server: what `aideator shell` uses."""

import base64
import json
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress

import httpx2

from aideator.client.remote import FETCH_SECONDS, RETRIES, AsyncClient, pause
from aideator.sandbox.base import Size
from aideator.workbench.model import Terminal
from aideator.workbench.terminal import Ended, Printed


class RemoteWorkbench:
    """The workbench of a server."""

    def __init__(self, client: AsyncClient) -> None:
        """Use a client of the server."""
        self._client = client

    async def open_terminal(
        self, run_id: str, number: int, size: Size, command: str | None = None
    ) -> Terminal:
        """Open a terminal."""
        answer = await self._client.call(
            "POST",
            f"/runs/{run_id}/variations/{number}/terminals",
            json={**size._asdict(), "command": command},
            timeout=FETCH_SECONDS,
        )
        fields = {name: answer[name] for name in Terminal.model_fields}
        return Terminal.model_validate(fields)

    def terminal(self, terminal_id: str) -> "RemoteTerminal":
        """Return the terminal with an id."""
        return RemoteTerminal(self._client, f"/terminals/{terminal_id}")

    async def close_terminal(self, terminal_id: str) -> None:
        """Close a terminal."""
        await self._client.send("DELETE", f"/terminals/{terminal_id}")


class RemoteTerminal:
    """A terminal at a server."""

    def __init__(self, client: AsyncClient, path: str) -> None:
        """Use a client of the server, and the path of the terminal in its API."""
        self._client, self._path = client, path

    async def type(self, keys: str) -> None:
        """Send what a person types."""
        await self._client.send("POST", f"{self._path}/input", json={"keys": keys})

    async def resize(self, size: Size) -> None:
        """Set another size."""
        await self._client.send("POST", f"{self._path}/size", json=size._asdict())

    async def follow(self, after: int = 0) -> AsyncGenerator[Printed | Ended]:
        """Yield what the terminal prints behind the byte `after`, and how it ends.

        A lost connection is opened again where it broke.
        """
        tries = 0
        while tries < RETRIES:
            with suppress(httpx2.TransportError):
                async with aclosing(self._stream(after)) as output:
                    async for each in output:
                        tries = 0
                        yield each
                        if isinstance(each, Ended):
                            return
                        after = each.end
            tries += 1
            await pause(tries)

    async def _stream(self, after: int) -> AsyncGenerator[Printed | Ended]:
        async with self._client.listen(f"{self._path}/stream", after) as events:
            async for data in events:
                event = json.loads(data)
                if "data" in event:
                    yield Printed(event["at"], base64.b64decode(event["data"]))
                else:
                    yield Ended(after, event["exit_code"], event["reason"])
