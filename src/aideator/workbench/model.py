"""What a person opens to look into a variation: terminals, and previews of what is served there."""

from datetime import datetime
from enum import StrEnum

from aideator.domain.base import FrozenModel


class Place(StrEnum):
    """Whose sandbox a person is let into."""

    AGENT = "agent"
    """The agent's own, while it works. It ends with the turn."""
    COPY = "copy"
    """A fresh one over the finished change. What is done there is thrown away."""


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
    """A way to what listens at a port of a variation's sandbox."""

    id: str
    """32 hexadecimal digits that nobody can guess; they are the first label of its host
    name, and all it takes."""
    run_id: str
    variation_id: int
    port: int
    place: Place


class Desk(FrozenModel):
    """What is open at a variation, and what can be opened."""

    terminals: tuple[Terminal, ...]
    previews: tuple[Preview, ...]
    place: Place | None
    """Where the next one would be opened; null when none can be, which `reason`
    explains."""
    reason: str | None = None
