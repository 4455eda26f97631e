"""Run the abuse probes against bubblewrap.

    python -m aideator.testing.abuse [PROBE …]

Prints one JSON line with what the sandbox enforces, then one for each probe. Exit code
1 if any result was unexpected.
"""

import asyncio
import json
import os
import sys
import tempfile
from collections.abc import Collection
from dataclasses import asdict
from pathlib import Path

from aideator.domain.isolation import Isolation
from aideator.repositories.untrusted_tree import remove_tree
from aideator.sandbox.base import Limits, SandboxBackend, Tree, sandbox_uid
from aideator.sandbox.registry import open_backend
from aideator.testing.abuse import PROBES, ProbeOutcome, canaries, expected, run_probes

LIMITS = Limits(
    memory_bytes=256 * 2**20, cpus=2, disk_bytes=128 * 2**20, tmp_bytes=32 * 2**20
)
"""Small, so that exhausting them is quick."""


def make_tree(directory: Path) -> Tree:
    """Create an empty workspace in an empty directory."""
    layer, upper, work = (directory / name for name in ("layer", "upper", "work"))
    for folder in (layer, upper, work):
        folder.mkdir()
        os.chown(folder, *[sandbox_uid() or -1] * 2)
    return Tree((layer,), upper, work)


async def sweep(
    directory: Path, names: Collection[str], backend: SandboxBackend | None = None
) -> tuple[Isolation, dict[str, ProbeOutcome]]:
    """Run the probes in one new sandbox.

    Args:
        directory: An empty directory.
        names: Names of the probes.
        backend: The back end; bubblewrap by default.
    """
    (directory / "canaries").mkdir()
    backend = backend or open_backend("bubblewrap", runtime_dir=directory / "run")
    async with (
        canaries(directory / "canaries") as known,
        backend.open(make_tree(directory), LIMITS) as sandbox,
    ):
        return sandbox.isolation, await run_probes(
            sandbox, known, names=names, limits=LIMITS
        )


def main() -> int:
    """Run the probes and report."""
    directory = Path(tempfile.mkdtemp(prefix="aid-"))
    directory.chmod(0o711)
    try:
        isolation, found = asyncio.run(sweep(directory, sys.argv[1:] or list(PROBES)))
    finally:
        remove_tree(directory)
    sys.stdout.write(isolation.model_dump_json() + "\n")
    surprises = 0
    for name, outcome in found.items():
        wanted = expected(name, isolation)
        surprises += outcome.result != wanted
        line = {
            "name": name,
            "group": PROBES[name].group,
            "expected": wanted,
            **asdict(outcome),
        }
        sys.stdout.write(json.dumps(line) + "\n")
    return 1 if surprises else 0


if __name__ == "__main__":
    raise SystemExit(main())
