"""What a user sees who asks how it works, and what the shell needs."""

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from aideator import __version__
from tests.actions import command

COMMANDS = [
    "run",
    "watch",
    "list",
    "show",
    "diff",
    "select",
    "apply",
    "prompt",
    "undo",
    "clear",
    "publish",
    "add",
    "compose",
    "export",
    "import",
    "stats",
    "cancel",
    "serve",
    "demo",
    "doctor",
    "gc",
]


def test_help_names_every_command_and_the_version_is_ours(home: Path) -> None:
    text = command("--help", home=home).stdout
    assert all(f" {name} " in text for name in [*COMMANDS, "key"])
    assert command("--version", home=home).stdout == f"aideator {__version__}\n"


@pytest.mark.parametrize("arguments", [["run"], ["apply"], ["key"], ["key", "create"]])
def test_help_of_a_command_opens_no_state(home: Path, arguments: list[str]) -> None:
    done = command(*arguments, "--help", home=home)
    assert done.returncode == 0
    assert "Usage: aideator" in done.stdout
    assert not (home / "state").exists()


def test_the_shells_completion_is_a_script_that_the_shell_accepts(home: Path) -> None:
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("bash is not installed")
    # As in a terminal: the command looks for a shell among its ancestors.
    shown = f"{shlex.quote(sys.executable)} -m aideator --show-completion; exit $?"
    script = subprocess.run(
        [bash, "-c", shown],
        cwd=home,
        env={"PATH": os.environ["PATH"], "HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (script.returncode, script.stderr) == (0, "")
    assert "_AIDEATOR_COMPLETE" in script.stdout or "AIDEATOR" in script.stdout
    checked = subprocess.run(
        [bash, "-n"], input=script.stdout, capture_output=True, text=True, check=False
    )
    assert (checked.returncode, checked.stderr) == (0, "")
