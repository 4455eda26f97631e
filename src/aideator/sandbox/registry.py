"""Registry of the sandbox back ends. A back end is imported when it is first used."""

import asyncio
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Protocol, cast

import structlog

from aideator.domain.errors import SandboxUnavailable
from aideator.domain.isolation import IsolationPolicy
from aideator.sandbox.base import Finding, SandboxBackend
from aideator.sandbox.policy import PolicyBackend

AUTO, BUBBLEWRAP = "auto", "bubblewrap"
BACKENDS = ("dagger", BUBBLEWRAP)
"""Names, in the order in which `auto` prefers them: the first that answers, else the
last. Each is a package here, whose module `backend` has a function `create`."""
REACHED_SECONDS = 60.0
"""Time that a back end has to answer before `auto` takes the next."""

log = structlog.get_logger(__name__)

Options = Mapping[str, object]
"""A back end's own options, by name: the keyword arguments of its `create`."""


class _Service(SandboxBackend, Protocol):
    """A back end that depends on a program or an engine, which may be missing."""

    async def is_reachable(self, seconds: float) -> bool: ...


def open_backend(name: str, *, runtime_dir: Path, **options: object) -> SandboxBackend:
    """Create the back end of that name.

    Args:
        name: One of `BACKENDS`.
        runtime_dir: Directory for sockets and staging. Its path must be short: that of
            a Unix socket may have 107 bytes.
        options: The back end's own options, see its function `create`.

    Raises:
        SandboxUnavailable: if there is no such back end.
    """
    if name not in BACKENDS:
        raise SandboxUnavailable(
            f"there is no sandbox back end {name!r}",
            hint=f"choose one of: {', '.join([AUTO, *BACKENDS])}",
        )
    module = import_module(f"aideator.sandbox.{name}.backend")
    return cast(SandboxBackend, module.create(runtime_dir, **options))


class Backends:
    """The back ends of one server, each created on first use.

    Every sandbox that they open meets the server's isolation policy.
    """

    def __init__(
        self,
        default: str,
        *,
        runtime_dir: Path,
        options: Mapping[str, Options],
        policy: IsolationPolicy = IsolationPolicy.ANY,
    ) -> None:
        """Store the configuration; no back end is created yet.

        Args:
            default: Name of the back end for runs that name none, or `auto`.
            runtime_dir: See `open_backend`.
            options: Options of each back end, by its name.
            policy: Isolation that every sandbox must have.
        """
        self._default, self._runtime_dir = default, runtime_dir
        self._options, self._policy = options, policy
        self._created: dict[str, SandboxBackend] = {}
        self._best: str | None = None
        self._search = asyncio.Lock()

    async def choose(self, name: str | None = None) -> SandboxBackend:
        """Return the back end of that name, or the server's default.

        Raises:
            SandboxUnavailable: if there is no such back end.
        """
        wanted = name or self._default
        if wanted == AUTO:
            async with self._search:
                self._best = wanted = self._best or await self._find_best()
        if wanted not in self._created:
            backend = self._open(wanted)
            self._created[wanted] = PolicyBackend(backend, self._policy)
        return self._created[wanted]

    async def check(self) -> list[Finding]:
        """Examine the default back end."""
        backend = await self.choose()
        found = ", found by itself" if self._best else ""
        chosen = Finding("back end", ok=True, detail=backend.name + found)
        return [chosen, *await backend.check()]

    def _open(self, name: str) -> SandboxBackend:
        options = self._options.get(name, {})
        return open_backend(name, runtime_dir=self._runtime_dir, **options)

    async def _find_best(self) -> str:
        """Return the first back end that answers, and log the choice once."""
        *services, last = BACKENDS
        for name in services:
            backend = cast(_Service, self._open(name))
            try:
                reachable = await backend.is_reachable(REACHED_SECONDS)
            except SandboxUnavailable as error:
                # Not installed: that is no surprise, and not worth a line.
                log.debug("back end not installed", backend=name, reason=str(error))
                continue
            if reachable:
                log.info("back end chosen", backend=name, setting=_SETTING)
                return name
            log.warning(
                "back end installed, but its engine does not answer",
                backend=name,
                instead=last,
                setting=_SETTING,
            )
        return last


_SETTING = "AIDEATOR_SANDBOX=auto"
