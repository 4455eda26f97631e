"""Fixtures: a fork of the project, and a sandbox back end where one is available."""

import os
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from aideator.changes.fork import Fork, fork
from aideator.domain.errors import SandboxUnavailable
from aideator.sandbox.base import SandboxBackend, Tree
from aideator.sandbox.registry import open_backend
from tests.changes.extraction import LIMITS, checkout


@pytest.fixture(scope="session")
async def why_no_sandbox() -> str:
    """Why no sandbox can be opened on this machine, or nothing."""
    with tempfile.TemporaryDirectory(prefix="aid-") as ground:
        tree = Path(ground, "tree")
        os.chmod(ground, 0o711)  # noqa: PTH101
        os.mkdir(tree)  # noqa: PTH102
        backend = open_backend("bubblewrap", runtime_dir=Path(ground, "run"))
        try:
            async with backend.open(Tree(layers=(tree,)), LIMITS):
                return ""
        except SandboxUnavailable as error:
            return f"no sandbox here: {error}"


@pytest.fixture
async def backend(home: Path, why_no_sandbox: str) -> SandboxBackend:
    if why_no_sandbox:
        pytest.skip(why_no_sandbox)
    return open_backend("bubblewrap", runtime_dir=home / "run")


@pytest.fixture
async def forked(home: Path, repo: Path) -> AsyncIterator[Fork]:
    async with fork(await checkout(home, repo), home, "one") as made:
        yield made
