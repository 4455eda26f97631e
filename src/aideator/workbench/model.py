"""Terminals and previews: what people open in the sandboxes of variations."""

from datetime import datetime
from enum import StrEnum

from aideator.domain.base import FrozenModel


class Place(StrEnum):
    """Which sandbox of a variation is open."""

    AGENT = "agent"
    """The agent's own, while it works. It ends with the agent's turn."""
    COPY = "copy"
    """A fresh one over the finished change. It is discarded when it closes."""


class Terminal(FrozenModel):
    """A terminal in a variation's sandbox."""

    id: str
    run_id: str
    variation_id: int
    command: str | None
    """What runs in it; null for a shell."""
    place: Place
    rows: int
    cols: int
    opened_at: datetime
    exit_code: int | None = None
    """Null while it runs, and when its sandbox ended first."""


class Preview(FrozenModel):
    """A way to the server that listens at a port of a variation's sandbox."""

    id: str
    """32 hexadecimal digits that cannot be guessed; they are the first label of its
    host name, and the only credential it needs."""
    run_id: str
    variation_id: int
    port: int
    place: Place


class WorkbenchState(FrozenModel):
    """What is open at a variation, and what can be opened."""

    terminals: tuple[Terminal, ...]
    previews: tuple[Preview, ...]
    place: Place | None
    """Where the next one would be opened; null when none can be, which `reason`
    explains."""
    reason: str | None = None
