"""Which back ends there are. A back end is imported only when it is asked for."""

import asyncio
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import cast

import structlog

from aideator.domain.errors import SandboxUnavailable
from aideator.domain.run import IsolationPolicy
from aideator.sandbox.base import Finding, SandboxBackend
from aideator.sandbox.dagger.options import DaggerOptions
from aideator.sandbox.policy import Guarded

AUTO, BUBBLEWRAP, DAGGER = "auto", "bubblewrap", "dagger"
REACHED_SECONDS = 60.0
"""How long a Dagger engine may take to answer before `auto` does without it."""

log = structlog.get_logger(__name__)

__all__ = ["BUBBLEWRAP", "Backends", "DaggerOptions", "open_backend"]


def open_backend(
    name: str,
    *,
    runtime_dir: Path,
    toolchains: Sequence[Path] = (),
    dagger: DaggerOptions | None = None,
) -> SandboxBackend:
    """The back end of that name.

    Args:
        name: `bubblewrap` or `dagger`.
        runtime_dir: For sockets and staging; a short path, because a Unix socket's may
            have 107 bytes.
        toolchains: Directories that bubblewrap shows inside at the same path; their
            `bin` comes first on PATH.
        dagger: How Dagger is used.

    Raises:
        SandboxUnavailable: if there is no such back end.
    """
    match name:
        case "bubblewrap":
            bubblewrap = import_module("aideator.sandbox.bubblewrap.backend")
            return cast(
                SandboxBackend,
                bubblewrap.Bubblewrap(runtime_dir, toolchains=tuple(toolchains)),
            )
        case "dagger":
            container = import_module("aideator.sandbox.dagger.backend")
            return cast(SandboxBackend, container.Dagger(runtime_dir, options=dagger))
        case _:
            raise SandboxUnavailable(
                f"there is no sandbox back end {name!r}",
                hint=f"choose one of: {AUTO}, {BUBBLEWRAP}, {DAGGER}",
            )


class Backends:
    """The back ends of one server, each made when it is first asked for, and guarded by the server's policy."""

    def __init__(
        self,
        default: str,
        *,
        runtime_dir: Path,
        toolchains: Sequence[Path] = (),
        dagger: DaggerOptions | None = None,
        policy: IsolationPolicy = IsolationPolicy.ANY,
    ) -> None:
        """Describe them; nothing is looked at yet.

        Args:
            default: What is chosen when nobody chooses: a name, or `auto`.
            runtime_dir: See `open_backend`.
            toolchains: See `open_backend`.
            dagger: See `open_backend`.
            policy: What every sandbox has to hold.
        """
        self._default, self._runtime_dir, self._toolchains = (
            default,
            runtime_dir,
            tuple(toolchains),
        )
        self._dagger = dagger or DaggerOptions()
        self._policy = policy
        self._made: dict[str, SandboxBackend] = {}
        self._best: str | None = None
        self._looking = asyncio.Lock()

    async def choose(self, name: str | None = None) -> SandboxBackend:
        """The back end of that name, or the server's own choice.

        Raises:
            SandboxUnavailable: if there is no such back end.
        """
        wanted = name or self._default
        if wanted == AUTO:
            async with self._looking:
                self._best = wanted = self._best or await self._find_best()
        if wanted not in self._made:
            self._made[wanted] = Guarded(self._open(wanted), self._policy)
        return self._made[wanted]

    async def check(self) -> list[Finding]:
        """What works of the back end that is chosen when nobody chooses."""
        backend = await self.choose()
        chosen = Finding(
            "back end",
            ok=True,
            detail=backend.name + (", found by itself" if self._best else ""),
        )
        return [chosen, *await backend.check()]

    def _open(self, name: str) -> SandboxBackend:
        return open_backend(
            name,
            runtime_dir=self._runtime_dir,
            toolchains=self._toolchains,
            dagger=self._dagger,
        )

    async def _find_best(self) -> str:
        """Dagger where an engine answers, else bubblewrap.

        It is said once which, where there is a choice.
        """
        container = import_module("aideator.sandbox.dagger.backend")
        dagger = container.Dagger(self._runtime_dir, options=self._dagger)
        try:
            await dagger.checked_program()
        except SandboxUnavailable as error:
            log.debug(
                "sandboxes are bubblewrap's",
                setting="AIDEATOR_SANDBOX=auto",
                dagger=str(error),
            )
            return BUBBLEWRAP
        if await dagger.is_reachable(REACHED_SECONDS):
            log.info(
                "sandboxes are containers of the Dagger engine",
                setting="AIDEATOR_SANDBOX=auto",
            )
            return DAGGER
        log.warning(
            "no Dagger engine answers; sandboxes are bubblewrap's",
            setting="AIDEATOR_SANDBOX=auto",
        )
        return BUBBLEWRAP
