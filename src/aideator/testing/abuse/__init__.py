"""Abuse probes: what hostile code tries in a sandbox, against canaries on the host.

The probes' files are piped to the sandbox's own Python, so that nothing has to be
installed there; `inside` defines what counts as blocked. A probe that looks for
something that does not exist would prove nothing, so the canaries are real, and prove
that they are alive before and after.
"""

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

from aideator.domain.isolation import Isolation
from aideator.sandbox.base import Limits, Sandbox
from aideator.testing.abuse import exhaustion, host_access, inside, kernel
from aideator.testing.abuse.canaries import SECRET_NAME, Canaries, canaries
from aideator.testing.abuse.inside import PROBES, Probe

__all__ = [
    "PROBES",
    "SECRET_NAME",
    "SHARED_MEMORY_BYTES",
    "Canaries",
    "Probe",
    "ProbeOutcome",
    "canaries",
    "expected",
    "outcomes",
    "program",
    "run_probes",
]

SHARED_MEMORY_BYTES = 64 * 2**20
"""Bytes that a sandbox may put into /dev/shm."""

_MODULES: tuple[ModuleType, ...] = (inside, host_access, kernel, exhaustion)
_BOOT = """
import json, sys, types
sources, names, facts = json.loads(sys.stdin.readline())
for package in ("aideator", "aideator.testing", "aideator.testing.abuse"):
    sys.modules[package] = types.ModuleType(package)
for name, source in sources:
    module = sys.modules[name] = types.ModuleType(name)
    exec(compile(source, name, "exec"), module.__dict__)
sys.modules[sources[0][0]].main(names, facts)
"""


@dataclass(frozen=True)
class ProbeOutcome:
    """Result of one probe."""

    result: Literal["blocked", "reached", "broken"]
    detail: str
    """What it reached, or what blocked it."""


def program(
    names: Iterable[str], facts: Mapping[str, Any], *, python: str = "python3"
) -> tuple[list[str], bytes]:
    """Return the command that runs the probes, and its standard input."""
    sources = [
        (module.__name__, Path(str(module.__file__)).read_text()) for module in _MODULES
    ]
    stdin = json.dumps([sources, list(names), dict(facts)]).encode() + b"\n"
    return [python, "-I", "-S", "-c", _BOOT], stdin


def outcomes(
    names: Iterable[str], stdout: bytes, stderr: bytes
) -> dict[str, ProbeOutcome]:
    """Parse the program's reports. A probe without a report is broken."""
    reports = (json.loads(line) for line in stdout.splitlines())
    found = {
        report["name"]: ProbeOutcome(report["result"], report["detail"])
        for report in reports
    }
    silence = ProbeOutcome(
        "broken", f"no report; {stderr[-300:].decode(errors='replace')}"
    )
    return {name: found.get(name, silence) for name in names}


def expected(name: str, isolation: Isolation) -> str:
    """Return a probe's result in a good sandbox, given what this machine enforces."""
    memory = isolation.limits["memory"]
    is_summed_up = memory.startswith("cgroup") or "supervisor" in memory
    # RLIMIT_DATA does not count shared memory; such a limit is reported as advisory.
    if name == "too_much_shared_memory" and not is_summed_up:
        return "reached"
    return "reached" if PROBES[name].allowed else "blocked"


async def run_probes(
    sandbox: Sandbox,
    known: Canaries,
    *,
    names: Collection[str] | None = None,
    limits: Limits | None = None,
    timeout: float = 300,
) -> dict[str, ProbeOutcome]:
    """Run probes in a sandbox; check before and after that the canaries are alive.

    Args:
        sandbox: The sandbox.
        known: The canaries.
        names: Names from `PROBES`; all when None. Probes that exhaust a resource may
            end the sandbox: run each in a sandbox of its own.
        limits: Limits that the sandbox was opened with.
        timeout: Seconds for all probes together.

    Returns:
        The outcome of each probe, by name.

    Raises:
        AssertionError: if a canary is dead.
    """
    wanted = list(PROBES if names is None else names)
    held = limits or Limits()
    tmpfs_bytes = {
        "/tmp": held.tmp_bytes,
        "/home/agent": held.tmp_bytes,
        "/dev/shm": SHARED_MEMORY_BYTES,
    }
    facts = {
        **known.facts,
        "workspace": "/workspace",
        "tmpfs_bytes": tmpfs_bytes,
        "memory_bytes": held.memory_bytes,
    }
    argv, stdin = program(wanted, facts)
    await known.prove_alive()
    done = await sandbox.exec(argv, stdin=stdin, timeout=timeout)
    await known.prove_alive()
    return outcomes(wanted, done.stdout, done.stderr)
