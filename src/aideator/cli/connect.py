"""Where a command's work is done: in this process, or at a server."""

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from rich.console import Console

from aideator.app import Aideator, open_app
from aideator.client.remote import RemoteAideator, open_remote
from aideator.observability import configure_logging
from aideator.settings import Settings, load_settings
from aideator.store.home import owner

Client = Aideator | RemoteAideator


class Terminal(Console):
    """Standard output.

    That nobody reads it any more is told to the command, which may have agents to stop.
    """

    def on_broken_pipe(self) -> None:
        """Let the error through; rich would end the process."""
        raise BrokenPipeError


@dataclass(frozen=True)
class Door:
    """What every command is given: what is set, where to work, how to show."""

    settings: Settings
    console: Console
    server: str | None = None
    json: bool = False

    def url(self) -> str | None:
        """The server that does the work: the one that was named, or the one that serves this state directory now."""
        present = None if self.server else owner(self.settings.aideator_home)
        return self.server or (present.url if present else None)

    @asynccontextmanager
    async def connect(self, *, work: bool = False) -> AsyncIterator[Client]:
        """Open an AIdeator for one command.

        A server that is named is used; so is one that serves this state directory now,
        since only one process may work in it.

        Args:
            work: Whether the command starts or stops runs. In this process, that also
                takes up unfinished ones.
        """
        settings, url = self.settings, self.url()
        if url is None:
            async with open_app(settings, work=work) as app:
                yield app
            return
        if not self.server:
            sys.stderr.write(f"(through the server at {url})\n")
        key = os.environ.get("AIDEATOR_API_KEY")
        async with open_remote(
            url, prefix=settings.api_v1_prefix, header=settings.api_key_header, key=key
        ) as remote:
            yield remote

    def note(self, text: str, *, style: str = "") -> None:
        """Tell a person something, as it is written."""
        self.console.print(text, style=style, markup=False, highlight=False)


def open_door(*, server: str | None = None, json: bool = False) -> Door:
    """Read the settings, and have the door that they describe.

    Raises:
        InvalidInput: naming every wrong setting.
    """
    settings = load_settings()
    configure_logging(debug=settings.debug)
    return Door(settings, Terminal(), server=server, json=json)
