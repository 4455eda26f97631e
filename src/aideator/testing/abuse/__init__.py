"""The abuse list: what hostile code tries in a sandbox, with canaries on the host that show whether it got through.

The probes' files are piped to the sandbox's own Python, so that nothing has to be
installed there; `inside` says what counts as blocked. A probe that finds nothing where
there is nothing to find would prove nothing: so the canaries are real, and are asked to
prove that they live before and after.
"""

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

from aideator.domain.run import Isolation
from aideator.sandbox.base import Limits, Sandbox
from aideator.testing.abuse import exhaustion, inside, kernel, within_reach
from aideator.testing.abuse.canaries import SECRET_NAME, Canaries, canaries
from aideator.testing.abuse.inside import PROBES, Probe

__all__ = [
    "PROBES",
    "SECRET_NAME",
    "SHARED_MEMORY_BYTES",
    "Canaries",
    "Outcome",
    "Probe",
    "canaries",
    "expected",
    "outcomes",
    "program",
    "run_probes",
]

SHARED_MEMORY_BYTES = 64 * 2**20
"""What a sandbox may put into /dev/shm."""

_MODULES: tuple[ModuleType, ...] = (inside, within_reach, kernel, exhaustion)
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
class Outcome:
    """What became of one probe."""

    result: Literal["blocked", "reached", "broken"]
    detail: str
    """What it got hold of, or what stood in its way."""


def program(
    names: Iterable[str], facts: Mapping[str, Any], *, python: str = "python3"
) -> tuple[list[str], bytes]:
    """The command that makes the attempts, and its standard input."""
    sources = [
        (module.__name__, Path(str(module.__file__)).read_text()) for module in _MODULES
    ]
    return [python, "-I", "-S", "-c", _BOOT], json.dumps(
        [sources, list(names), dict(facts)]
    ).encode() + b"\n"


def outcomes(names: Iterable[str], stdout: bytes, stderr: bytes) -> dict[str, Outcome]:
    """Read what the program reported.

    A probe without a report took everything down with it, and so is broken.
    """
    reports = (json.loads(line) for line in stdout.splitlines())
    found = {
        report["name"]: Outcome(report["result"], report["detail"])
        for report in reports
    }
    silence = Outcome("broken", f"no report; {stderr[-300:].decode(errors='replace')}")
    return {name: found.get(name, silence) for name in names}


def expected(name: str, isolation: Isolation) -> str:
    """What should become of a probe in a good sandbox, given what this machine can enforce."""
    memory = isolation.limits["memory"]
    if (
        name == "too_much_shared_memory"
        and not memory.startswith("cgroup")
        and "supervisor" not in memory
    ):
        return "reached"  # RLIMIT_DATA does not count shared memory; the sandbox says that its limit is advisory
    return "reached" if PROBES[name].allowed else "blocked"


async def run_probes(
    sandbox: Sandbox,
    known: Canaries,
    *,
    names: Collection[str] | None = None,
    limits: Limits | None = None,
    timeout: float = 120,
) -> dict[str, Outcome]:
    """Try the list in a sandbox, between two proofs that the canaries are alive.

    Args:
        sandbox: Where to try.
        known: The canaries.
        names: Some of `PROBES`; all when None. Those that exhaust something may end the
            sandbox: give each its own.
        limits: Those that the sandbox was opened with.
        timeout: Seconds for all together.

    Returns:
        The outcome of each probe, by name.

    Raises:
        AssertionError: if a canary is dead.
    """
    wanted = list(PROBES if names is None else names)
    held = limits or Limits()
    rooms = {
        "/tmp": held.tmp_bytes,
        "/home/agent": held.tmp_bytes,
        "/dev/shm": SHARED_MEMORY_BYTES,
    }
    facts = {
        **known.facts,
        "workspace": "/workspace",
        "rooms": rooms,
        "memory_bytes": held.memory_bytes,
    }
    argv, stdin = program(wanted, facts)
    await known.prove_alive()
    done = await sandbox.exec(argv, stdin=stdin, timeout=timeout)
    await known.prove_alive()
    return outcomes(wanted, done.stdout, done.stderr)
