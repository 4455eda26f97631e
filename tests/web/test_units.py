"""The page's own tests, which Vitest runs."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.skipif(shutil.which("npm") is None, reason="no npm")
def test_the_page_passes_its_own_tests() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "web" / "build.py", "test"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
