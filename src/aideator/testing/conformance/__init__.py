"""What callers rely on in any sandbox, as checks that ship with the product: run them against a back end of your own.

    outcomes = await check_sandbox(backend, scratch)

One small function for each behaviour, its docstring the promise. None needs more inside
than a POSIX shell, `python3` and the usual small tools. A back end that cannot keep a
promise names it with its reason (`known`), in public.
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
from aideator.testing.conformance import looks, places, processes
from aideator.testing.conformance.ground import Behaviour, BrokenPromise, Ground

BEHAVIOURS: tuple[Behaviour, ...] = (
    *processes.BEHAVIOURS,
    *places.BEHAVIOURS,
    *looks.BEHAVIOURS,
)
_SECONDS = 60.0


@dataclass(frozen=True)
class Outcome:
    """How one behaviour turned out."""

    name: str
    ok: bool
    detail: str = ""


async def try_behaviour(
    behaviour: Behaviour, backend: SandboxBackend, scratch: Path
) -> Outcome:
    """Try one behaviour in a directory of its own."""
    name = behaviour.__name__.removeprefix("_")
    ground = Ground(backend, scratch / secrets.token_hex(4))
    ground.scratch.mkdir(parents=True)
    try:
        async with asyncio.timeout(_SECONDS):
            await behaviour(ground)
    except (BrokenPromise, AideatorError, OSError, ExceptionGroup) as error:
        told = "".join(traceback.format_exception(error))
        return Outcome(name, ok=False, detail=f"{behaviour.__doc__}\n{told}")
    finally:
        await asyncio.to_thread(shutil.rmtree, ground.scratch, ignore_errors=True)
    return Outcome(name, ok=True)


async def check_sandbox(
    backend: SandboxBackend, scratch: Path, *, known: Mapping[str, str] | None = None
) -> list[Outcome]:
    """Try every behaviour, one after the other.

    Args:
        backend: What to try.
        scratch: An empty directory that the sandbox's uid can reach.
        known: Behaviours that this back end is known not to have, with the reason; they
            are not tried.
    """
    outcomes = []
    for behaviour in BEHAVIOURS:
        reason = (known or {}).get(behaviour.__name__)
        outcome = (
            await try_behaviour(behaviour, backend, scratch) if reason is None else None
        )
        outcomes.append(
            outcome
            or Outcome(behaviour.__name__, ok=True, detail=f"known failure: {reason}")
        )
    return outcomes
