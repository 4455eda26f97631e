"""Conformance checks for sandbox back ends: what callers rely on in any sandbox.

    outcomes = await check_sandbox(backend, scratch)

They ship with the product, for back ends of your own. Each behaviour is a small
function whose docstring is the promise. None needs more inside than a POSIX shell,
`python3` and the usual small tools. A back end that cannot keep a promise publishes the
reason (`known`).
"""

import asyncio
import secrets
import shutil
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from aideator.domain.errors import AideatorError
from aideator.sandbox.base import SandboxBackend
from aideator.testing.conformance import isolation, ports, processes, terminals
from aideator.testing.conformance.context import Behaviour, BrokenPromise, CheckContext

BEHAVIOURS: tuple[Behaviour, ...] = (
    *processes.BEHAVIOURS,
    *isolation.BEHAVIOURS,
    *terminals.BEHAVIOURS,
    *ports.BEHAVIOURS,
)
_SECONDS = 60.0


@dataclass(frozen=True)
class Outcome:
    """Result of one check."""

    name: str
    ok: bool
    detail: str = ""


async def try_behaviour(
    behaviour: Behaviour, backend: SandboxBackend, scratch: Path
) -> Outcome:
    """Check one behaviour in a new directory below `scratch`."""
    name = behaviour.__name__.removeprefix("_")
    context = CheckContext(backend, scratch / secrets.token_hex(4))
    context.scratch.mkdir(parents=True)
    try:
        async with asyncio.timeout(_SECONDS):
            await behaviour(context)
    except (BrokenPromise, AideatorError, OSError, ExceptionGroup) as error:
        trace = "".join(traceback.format_exception(error))
        return Outcome(name, ok=False, detail=f"{behaviour.__doc__}\n{trace}")
    finally:
        await asyncio.to_thread(shutil.rmtree, context.scratch, ignore_errors=True)
    return Outcome(name, ok=True)


async def check_sandbox(
    backend: SandboxBackend, scratch: Path, *, known: Mapping[str, str] | None = None
) -> list[Outcome]:
    """Check every behaviour, one after the other.

    Args:
        backend: The back end.
        scratch: An empty directory that the sandbox's uid can reach.
        known: Behaviours that this back end is known not to have, with the reason; they
            are skipped.
    """
    outcomes = []
    for behaviour in BEHAVIOURS:
        name = behaviour.__name__
        reason = (known or {}).get(name)
        if reason is None:
            outcomes.append(await try_behaviour(behaviour, backend, scratch))
        else:
            outcomes.append(Outcome(name, ok=True, detail=f"known failure: {reason}"))
    return outcomes
