"""Results that are known from before: a tree is measured once."""

import asyncio
import hashlib
import json
from collections.abc import Sequence

from aideator.changes.patch import Patch
from aideator.domain.check import Measurement
from aideator.domain.run import Run
from aideator.engine.context import RunContext
from aideator.repositories.checkout import Checkout
from aideator.store import measurements

_FORMAT = 3
"""Raised when the same output would be read differently: nothing stored before is used
again."""


def tree_key(
    context: RunContext, run: Run, checkout: Checkout, patch: Patch | None, rest: object
) -> str:
    """Return a hash of a tree, what can be seen beside it, and what is run on it."""
    change = hashlib.sha256(patch.data).hexdigest() if patch else ""
    facts = [
        _FORMAT,
        context.environment,
        run.spec.sandbox,
        checkout.commit.sha,
        _environment(checkout),
        change,
        rest,
        *([checkout.folder] if checkout.folder else ()),
        *([checkout.ignored.digest] if checkout.ignored else ()),
    ]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def _environment(checkout: Checkout) -> list[object]:
    # Made again from the same commands, an environment may hold other versions, so the
    # time when it was made is part of the key.
    made = checkout.environment
    return [] if made is None else [made.name, made.stat().st_mtime_ns]


async def recall(
    context: RunContext, run: Run, keys: Sequence[str]
) -> list[Measurement]:
    """Return the stored measurements of these keys; empty unless all are stored."""
    own_keys = [f"{key}.{run.id}" for key in keys]
    known = await context.database.look(
        lambda connection: measurements.find(connection, [*keys, *own_keys])
    )
    found = []
    for key, own_key in zip(keys, own_keys, strict=True):
        measurement = known.get(own_key) or known.get(key)
        if measurement is None:
            return []
        found.append(measurement)
    return found


async def remember(
    context: RunContext, run: Run, found: dict[str, Measurement]
) -> None:
    """Store measurements for later runs.

    One that may be the machine's fault is stored for this run only: a check that failed
    before any test reported may have missed a tool that is there the next time.
    """
    names = {
        key: key if _depends_on_tree_only(each) else f"{key}.{run.id}"
        for key, each in found.items()
    }
    named = await asyncio.to_thread(
        lambda: {names[key]: measurements.pack(each) for key, each in found.items()}
    )
    await context.database.transact(
        lambda connection: measurements.keep(connection, named)
    )


def _depends_on_tree_only(measurement: Measurement) -> bool:
    runs = (measurement.result, *measurement.whole, *measurement.again)
    return all(run.exit_code is not None and (run.passed or run.tests) for run in runs)
