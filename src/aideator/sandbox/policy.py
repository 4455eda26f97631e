"""Isolation policy: refuse sandboxes that isolate less than the policy asks for."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from aideator.domain.errors import IsolationTooWeak
from aideator.domain.isolation import Isolation, IsolationPolicy
from aideator.sandbox.base import Bind, Finding, Limits, Sandbox, SandboxBackend, Tree

_BY_THE_KERNEL = ("cgroup", "rlimit")
_ENFORCED = ("memory", "cpu", "pids")


def shortfalls(isolation: Isolation, policy: IsolationPolicy) -> list[str]:
    """Return what the isolation lacks under the policy, in plain words."""
    found = []
    is_open = isolation.network.startswith(("open", "unknown"))
    if policy is not IsolationPolicy.ANY and is_open:
        found.append(f"its network is {isolation.network}")
    if policy is IsolationPolicy.ENFORCED:
        for limit in _ENFORCED:
            enforcer = isolation.limits.get(limit, "nobody")
            if not enforcer.startswith(_BY_THE_KERNEL):
                found.append(f"its {limit} limit is held by {enforcer}")
    return found


class PolicyBackend:
    """A back end whose sandboxes meet a policy.

    A sandbox that does not is closed before anything runs in it.
    """

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
        """Open a sandbox, see `SandboxBackend.open`.

        Raises:
            IsolationTooWeak: if it isolates less than the policy asks for.
        """
        async with self._backend.open(
            tree, limits, binds=binds, gateway=gateway
        ) as sandbox:
            missing = "; ".join(shortfalls(sandbox.isolation, self._policy))
            if missing:
                raise IsolationTooWeak(
                    f"ISOLATION_POLICY={self._policy} refuses this sandbox: {missing}"
                )
            yield sandbox

    async def check(self) -> list[Finding]:
        """Examine this machine, see `SandboxBackend.check`."""
        return await self._backend.check()
