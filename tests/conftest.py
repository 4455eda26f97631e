"""Fixtures that every test may use."""

import asyncio
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

PATIENCE = 120.0
"""Seconds after which a test gives up waiting for a fact.

It bounds a hang and expects nothing: on a machine with other work, what takes a tenth
of a second otherwise may take ten.
"""

# A property that takes long on a busy machine holds all the same.
settings.register_profile(
    "tests", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("tests")


async def comes_true(fact: Callable[[], bool | Awaitable[bool]]) -> None:
    """Wait until something is so that no event tells."""
    async with asyncio.timeout(PATIENCE):
        while True:
            found = fact()
            if found if isinstance(found, bool) else await found:
                return
            await asyncio.sleep(0.02)


GIT_ENV = {
    "PATH": os.environ["PATH"],
    "HOME": "/nonexistent",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_AUTHOR_NAME": "A User",
    "GIT_AUTHOR_EMAIL": "user@example.org",
    "GIT_COMMITTER_NAME": "A User",
    "GIT_COMMITTER_EMAIL": "user@example.org",
}


def git(cwd: Path, *arguments: str, stdin: str | None = None) -> str:
    """Run git as the user of a test would, and return what it prints."""
    done = subprocess.run(
        ["git", *arguments],
        cwd=cwd,
        env=GIT_ENV,
        check=True,
        capture_output=True,
        text=True,
        input=stdin,
    )
    return done.stdout.strip()


REPETITIVE = (
    "engine/test_machine.py",
    "engine/test_moments.py",
    "fuzz/",
    "gateway/test_budget_machine.py",
    "torture/",
)
"""Tests that run the same lines ten thousand times, below `tests/`.

Measuring coverage doubles what they cost, and the other tests reach the same lines.
"""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Measure no coverage in tests that repeat themselves."""
    for item in items:
        path = item.path.relative_to(Path(__file__).parent).as_posix()
        if path.startswith(REPETITIVE):
            item.add_marker(pytest.mark.no_cover)


def pytest_configure() -> None:
    """Take back what a shell's `&` does: its jobs and their children ignore Ctrl-C."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGQUIT, signal.SIG_DFL)


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def home() -> Iterator[Path]:
    """A fresh state directory that sandboxes can traverse (pytest's are 0700)."""
    path = make_home()
    yield path
    shutil.rmtree(path, ignore_errors=True)


def make_home() -> Path:
    """Create a directory that sandboxes can traverse."""
    path = Path(tempfile.mkdtemp(prefix="aid-"))
    path.chmod(0o711)
    return path


@pytest.fixture
def repo(home: Path) -> Path:
    """A small Python project with one failing and one passing test on `main`."""
    return make_repo(home)


def make_repo(home: Path) -> Path:
    """Create the project of the fixture `repo` below a directory."""
    path = home / "user-repo"
    path.mkdir()
    (path / "calc.py").write_text(
        "def add(a, b):\n    return a - b\n\n\ndef double(a):\n    return a * 2\n"
    )
    (path / "test_calc.py").write_text(
        "import unittest\n\nfrom calc import add, double\n\n\n"
        "class CalcTest(unittest.TestCase):\n"
        "    def test_add(self):\n        self.assertEqual(add(2, 3), 5)\n\n"
        "    def test_double(self):\n        self.assertEqual(double(2), 4)\n",
    )
    git(path, "init", "-q", "-b", "main")
    git(path, "add", ".")
    git(path, "commit", "-q", "-m", "A calculator that cannot add")
    return path
