"""Connections to a port of a sandbox, for a preview."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from aideator.domain.errors import Conflict, SandboxLost
from aideator.sandbox.base import Sandbox
from aideator.workbench.model import Preview

if TYPE_CHECKING:
    from aideator.api.auth import Credential


class LivePreview:
    """A port of a sandbox, the page that shows it, and the open connections.

    Attributes:
        opener: What the caller was admitted by who opened it; None in this process.
    """

    def __init__(
        self,
        sandbox: Sandbox,
        details: Preview,
        page: str,
        slots: asyncio.Semaphore,
        *,
        on_use: Callable[[], None],
        explain: Callable[[SandboxLost], str],
    ) -> None:
        """Create a preview without connections.

        Args:
            sandbox: Where a server listens, or will.
            details: How it was opened.
            page: The origin of the page that shows it; no other may.
            slots: Held by each connection.
            on_use: Called with each connection.
            explain: Returns why the sandbox ended.
        """
        self.details, self.page = details, page
        self.opener: Credential | None = None
        self._sandbox, self._on_use, self._explain = sandbox, on_use, explain
        self._slots = slots
        self._open = set[asyncio.StreamWriter]()
        self._is_closed = False

    @asynccontextmanager
    async def connect(
        self,
    ) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        """Connect to the port until the end of the block.

        Raises:
            PortNotOpen: if there is no answer.
            Conflict: if the preview was closed, or the sandbox has ended.
        """
        async with self._slots:
            if self._is_closed:
                raise Conflict("the preview was closed")
            self._on_use()
            try:
                reader, writer = await self._sandbox.connect(self.details.port)
            except SandboxLost as error:
                raise Conflict(
                    f"the sandbox has ended: {self._explain(error)}"
                ) from error
            self._open.add(writer)
            try:
                yield reader, writer
            finally:
                self._open.discard(writer)
                writer.close()

    def close(self) -> None:
        """Break off open connections, and refuse new ones."""
        self._is_closed = True
        for writer in self._open:
            writer.transport.abort()
