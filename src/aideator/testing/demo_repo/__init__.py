"""The demo's project: a small text library with one real bug, as a git repository.

Its tests need nothing but `python3 -m unittest`, so that they run in any sandbox. The
files are in `re-flow`, which is no name of a Python package, because they are data and
not part of ours.
"""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).parent / "re-flow"

PROMPT = (
    "wrap() returns lines that are longer than the width when a single word does not "
    "fit. Cut such words, as its docstring says, and leave everything else as it is. "
    "The tests run with `python3 -m unittest`."
)

CHECKS = (
    {"name": "wrap", "command": "python3 -m unittest test_wrap"},
    {"name": "layout", "command": "python3 -m unittest test_layout"},
)
"""On the base `wrap` fails and `layout` passes: a change can fix one and break the
other."""

# The same commit wherever the demo runs: no clock, no user's name, no user's
# configuration.
_GIT_ENVIRONMENT = {
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_AUTHOR_NAME": "Reflow",
    "GIT_AUTHOR_EMAIL": "reflow@example.org",
    "GIT_AUTHOR_DATE": "2026-01-01T12:00:00Z",
    "GIT_COMMITTER_NAME": "Reflow",
    "GIT_COMMITTER_EMAIL": "reflow@example.org",
    "GIT_COMMITTER_DATE": "2026-01-01T12:00:00Z",
}


def make_demo_repo(directory: Path) -> dict[str, Any]:
    """Write the project into a directory and commit it on `main`.

    Args:
        directory: The directory, which is created; if it exists, it must be empty.

    Returns:
        A submission for it, with the fields of `RunSpec`.

    Raises:
        OSError: if the directory cannot be written, or holds something.
        subprocess.CalledProcessError: if git fails.
    """
    directory.mkdir(parents=True, exist_ok=True)
    if any(directory.iterdir()):
        raise FileExistsError(f"{directory} is not empty")
    # The copy gets current times and default modes, whatever a wheel or a checkout gave
    # the originals.
    shutil.copytree(
        PROJECT,
        directory,
        copy_function=shutil.copyfile,
        ignore=shutil.ignore_patterns("__pycache__"),
        dirs_exist_ok=True,
    )
    _git(directory, "init", "--quiet", "--initial-branch=main")
    _git(directory, "add", "--all")
    _git(
        directory,
        "commit",
        "--quiet",
        "--message=Reflow plain text: wrap, quote, columns",
    )
    return {
        "repo_url": str(directory.resolve()),
        "prompt": PROMPT,
        "variations": 3,
        "checks": list(CHECKS),
    }


def _git(directory: Path, *arguments: str) -> None:
    environment = {"PATH": os.environ.get("PATH", os.defpath), **_GIT_ENVIRONMENT}
    subprocess.run(
        ["git", "-C", str(directory), *arguments], env=environment, check=True
    )
