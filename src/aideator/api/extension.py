"""What an optional package adds to the HTTP application.

Each offers `extension(settings: Settings) -> Extension` in its module `routes`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from fastapi import APIRouter
from starlette.middleware import Middleware

from aideator.api.revocation import Revocable
from aideator.app import Aideator
from aideator.optional import load
from aideator.settings import Settings


@dataclass(frozen=True, kw_only=True)
class Extension:
    """Routes, and what they need before a request reaches them."""

    router: APIRouter
    """Served below the API's prefix."""
    body_limits: Mapping[str, int] = field(default_factory=dict)
    """Path below the API's prefix → bytes of a request body there, where it may have
    more than `guard.MAX_BODY_BYTES`."""
    middleware: Sequence[Middleware] = ()
    """Around everything else, the guard included."""
    frame_source: Callable[[str], str | None] | None = None
    """Return the host source that the page may show in frames (CSP `frame-src`), given
    the Host header under which a browser addresses this server."""
    revocable: Callable[[Aideator], Revocable] | None = None
    """Return what keeps things open for callers, which end with their credential."""


def load_extensions(settings: Settings) -> tuple[Extension, ...]:
    """Return the extensions of the optional packages that are installed."""
    return tuple(module.extension(settings) for module in load("routes"))
