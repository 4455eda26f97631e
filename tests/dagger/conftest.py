"""A Dagger CLI for tests: the double, as a program."""

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from aideator.sandbox.base import SandboxBackend
from aideator.sandbox.registry import open_backend

CHECKOUT = Path(__file__).parents[2]


def make_double(directory: Path) -> Path:
    """Write the double's program, which sets the tests' environment by itself."""
    program = directory / "dagger"
    path = ":".join([str(CHECKOUT), str(CHECKOUT / "src")])
    program.write_text(
        f'#!/bin/sh\nPYTHONPATH="{path}" PYTHONDONTWRITEBYTECODE=1 '
        f'exec {sys.executable} -m tests.dagger.double "$@"\n'
    )
    program.chmod(0o755)
    return program


MakeBackend = Callable[..., SandboxBackend]


@pytest.fixture(scope="session")
def engine() -> Iterator[Path]:
    """The double's state. All tests share what it has built, as with a real engine."""
    if os.geteuid() != 0:
        pytest.skip("the double needs root to be an engine")
    path = Path(tempfile.mkdtemp(prefix="aid-engine-"))
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def double(home: Path, engine: Path) -> Path:
    """The double's program."""
    return make_double(home)


@pytest.fixture
def dagger(home: Path, double: Path, engine: Path) -> MakeBackend:
    """Make a Dagger back end over the double.

    Takes the double's own options as a query string, and fields of `DaggerOptions`.
    """

    def make(query: str = "", **options: object) -> SandboxBackend:
        fields = {
            "program": str(double),
            "runner_host": f"double://{engine}?{query}",
            "server": os.environ,
            **options,
        }
        return open_backend("dagger", runtime_dir=home / "run", **fields)

    return make
