"""A Dagger CLI for tests: the double, as a program."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from aideator.sandbox.base import SandboxBackend
from aideator.sandbox.registry import DaggerOptions, open_backend

CHECKOUT = Path(__file__).parents[2]


def make_double(directory: Path) -> Path:
    """Write the double's program: it starts with an environment of the tests, whatever it was started with."""
    program = directory / "dagger"
    path = ":".join([str(CHECKOUT), str(CHECKOUT / "src")])
    program.write_text(
        f'#!/bin/sh\nPYTHONPATH="{path}" PYTHONDONTWRITEBYTECODE=1 exec {sys.executable} -m tests.dagger.double "$@"\n'
    )
    program.chmod(0o755)
    return program


MakeBackend = Callable[..., SandboxBackend]


@pytest.fixture
def dagger(home: Path) -> MakeBackend:
    """A Dagger back end over the double. Keywords are the double's options, or fields of `DaggerOptions`."""
    if os.geteuid() != 0:
        pytest.skip("the double needs root to be an engine")
    program = make_double(home)

    def make(query: str = "", **options: object) -> SandboxBackend:
        runner_host = f"double://{home / 'engine'}?{query}"
        fields = {"program": str(program), "runner_host": runner_host, "server": os.environ, **options}
        return open_backend("dagger", runtime_dir=home / "run", dagger=DaggerOptions(**fields))  # type: ignore[arg-type]

    return make
