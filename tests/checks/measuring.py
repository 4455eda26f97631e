"""A real sandbox over a small tree, in which checks are measured."""

import os
import shutil
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from pathlib import Path

import pytest

from aideator.checks.run import RerunPolicy, limits_for_checks, measure
from aideator.checks.runners import plan
from aideator.domain.check import Check, CheckResult, Measurement, TestOutcome
from aideator.sandbox.base import Limits, Sandbox, Tree, sandbox_uid
from aideator.sandbox.bubblewrap.backend import Bubblewrap

ROOMY = Limits(memory_bytes=2 * 2**30, cpus=2, disk_bytes=2**30)
"""Compilers want more than an agent gets by default."""


UNITTEST = {
    "test_a.py": "import unittest\n\n\nclass T(unittest.TestCase):\n"
    "    def test_good(self):\n        print('noise ... ok')\n\n"
    "    def test_bad(self):\n        self.assertEqual('é', 1)\n",
    "test_b.py": "import nothere\n",
}
"""Tests of unittest: one that passes, one that fails, and a module that cannot be
imported."""


def write(root: Path, files: Mapping[str, str]) -> Path:
    """Write a tree."""
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def sandbox_factory(
    home: Path,
    files: Mapping[str, str],
    *,
    toolchains: tuple[Path, ...] = (),
    limits: Limits = ROOMY,
) -> Callable[[], AbstractAsyncContextManager[Sandbox]]:
    """Return what opens fresh sandboxes over these files."""
    layer = home / "layer"
    layer.mkdir(mode=0o755, exist_ok=True)
    write(layer, files)
    if (uid := sandbox_uid()) is not None:
        for path in (layer, *layer.rglob("*")):
            os.chown(path, uid, uid, follow_symlinks=False)
    backend = Bubblewrap(home / "run", toolchains=toolchains)

    @asynccontextmanager
    async def open_sandbox() -> AsyncIterator[Sandbox]:
        fork = home / "fork"
        shutil.rmtree(fork, ignore_errors=True)
        for name in ("upper", "work"):
            (fork / name).mkdir(parents=True)
        tree = Tree((layer,), fork / "upper", fork / "work")
        async with backend.open(tree, limits_for_checks(limits)) as sandbox:
            yield sandbox

    return open_sandbox


async def measured(
    home: Path,
    files: Mapping[str, str],
    *checks: str | Check,
    policy: RerunPolicy = RerunPolicy(),  # noqa: B008 - frozen
    toolchains: tuple[Path, ...] = (),
    limits: Limits = ROOMY,
) -> list[Measurement]:
    """What checks say about a tree."""
    open_sandbox = sandbox_factory(home, files, toolchains=toolchains, limits=limits)
    named = [
        check if isinstance(check, Check) else Check(command=check) for check in checks
    ]
    plans = [plan(check, home / "layer") for check in named]
    async with aclosing(measure(open_sandbox, plans, policy)) as found:
        return [each async for each in found]


def outcomes(result: CheckResult) -> dict[str, TestOutcome]:
    """What each test said that says more than the tests within it."""
    return {test.test: test.outcome for test in result.tests if not test.of_subtests}


def needs(*programs: str) -> pytest.MarkDecorator:
    """Skip where a program is missing that the test cannot do without."""
    missing = [program for program in programs if shutil.which(program) is None]
    return pytest.mark.skipif(
        bool(missing), reason=f"this machine has no {', '.join(missing)}"
    )
