"""How much isolation is asked for, and a guard that gives no sandbox with less."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from aideator.domain.errors import IsolationTooWeak
from aideator.domain.run import Isolation, IsolationPolicy
from aideator.sandbox.base import Bind, Finding, Limits, Sandbox, SandboxBackend, Tree

_BY_THE_KERNEL = ("cgroup", "rlimit")
_ENFORCED = ("memory", "cpu", "pids")


def shortfalls(isolation: Isolation, policy: IsolationPolicy) -> list[str]:
    """What is missing, in plain words; empty if nothing is."""
    found = []
    if policy is not IsolationPolicy.ANY and isolation.network.startswith(
        ("open", "unknown")
    ):
        found.append(f"its network is {isolation.network}")
    if policy is IsolationPolicy.ENFORCED:
        for limit in _ENFORCED:
            enforcer = isolation.limits.get(limit, "nobody")
            if not enforcer.startswith(_BY_THE_KERNEL):
                found.append(f"its {limit} limit is held by {enforcer}")
    return found


class Guarded:
    """A back end whose sandboxes hold what is asked for, or are closed before anything runs in them."""

    def __init__(self, backend: SandboxBackend, policy: IsolationPolicy) -> None:
        self.name, self.runtime = backend.name, backend.runtime
        self._backend, self._policy = backend, policy

    @asynccontextmanager
    async def open(
        self,
        tree: Tree,
        limits: Limits,
        *,
        binds: Sequence[Bind] = (),
        gateway: Path | None = None,
    ) -> AsyncIterator[Sandbox]:
        """Open a sandbox, as the port says.

        Raises:
            IsolationTooWeak: if it holds less than the policy asks for.
        """
        async with self._backend.open(
            tree, limits, binds=binds, gateway=gateway
        ) as sandbox:
            missing = shortfalls(sandbox.isolation, self._policy)
            if missing:
                raise IsolationTooWeak(
                    f"ISOLATION_POLICY={self._policy} refuses this sandbox: {'; '.join(missing)}"
                )
            yield sandbox

    async def check(self) -> list[Finding]:
        """Look at this machine, as the port says."""
        return await self._backend.check()
