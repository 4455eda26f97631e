"""Tests that fail are repeated on a busy machine, and named, whatever comes of it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "tools" / "run_tests.py"
RACE = """
from pathlib import Path

def test_that_meets_a_race():
    seen = Path("seen")
    seen.write_text(seen.read_text() + "x" if seen.exists() else "x")
    assert len(seen.read_text()) > 1

def test_that_passes():
    pass
"""


def run(project: Path, source: str) -> subprocess.CompletedProcess[str]:
    (project / "test_a.py").write_text(source)
    command = [sys.executable, str(SCRIPT), "-q"]
    return subprocess.run(
        command,
        cwd=project,
        # The plug-ins of this project take a second to load, and do nothing there.
        env=os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def test_a_race_is_repeated_and_named(tmp_path: Path) -> None:
    done = run(tmp_path, RACE)
    assert done.returncode == 0, done.stdout
    assert "=== failed at first, then in 0 of 3 repetitions:" in done.stdout
    assert done.stdout.rstrip().endswith("test_a.py::test_that_meets_a_race")
    assert (tmp_path / "seen").read_text() == "xxxx"


def test_what_fails_in_one_repetition_has_failed(tmp_path: Path) -> None:
    source = RACE.replace("> 1", "not in (1, 3)")
    done = run(tmp_path, source)
    assert done.returncode == 1
    assert "then in 1 of 3 repetitions:" in done.stdout


@pytest.mark.parametrize(
    ("source", "code"), [("def test_a(): pass", 0), ("", 5), ("import nothing", 2)]
)
def test_pytest_has_the_last_word_where_no_test_failed(
    tmp_path: Path, source: str, code: int
) -> None:
    done = run(tmp_path, source)
    assert (done.returncode, "===" in done.stdout.split("short test")[0]) == (
        code,
        code == 2,
    )
