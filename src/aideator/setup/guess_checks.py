"""Guess a project's checks from files of the base commit.

Nothing is executed and no link is followed.
"""

import errno
import json
import os
import re
import stat
from pathlib import Path
from typing import Any

from aideator.domain.check import Check
from aideator.repositories.untrusted_tree import read_head, read_regular_file

_MAX_BYTES = 2**20
_MAX_FILES = 200
_PYTESTS = re.compile(r"^((import|from) pytest\b|(async )?def test)", re.MULTILINE)
"""Tests that unittest does not find: it runs methods only."""
_PYTEST_SECTIONS = {
    "setup.cfg": r"\[tool:pytest\]",
    "tox.ini": r"^\[pytest\]",
    "pyproject.toml": r"^\[tool\.pytest\b",
}
"""File → a section of it that configures pytest."""
_NO_NPM_TEST = "no test specified"
"""What `npm init` writes for the test script."""


def guess_checks(checkout: Path) -> tuple[Check, ...]:
    """Return one check per language whose tests are visible in the repository's root.

    A Makefile's `test` target is used only if nothing else is found: such targets often
    install dependencies first, and a sandbox has no network.

    Args:
        checkout: The base commit's files (`Checkout.path`).
    """
    guesses = (_python(checkout), _node(checkout), *_by_build_file(checkout))
    commands = [command for command in guesses if command]
    if not commands and has_target(checkout, "test"):
        commands = ["make test"]
    return tuple(Check(command=command) for command in commands)


def _python(root: Path) -> str | None:
    if _is_pytest_configured(root):
        return "python3 -m pytest -q"
    beside, inside = names(root, r"test.*\.py"), names(root / "tests", r"test.*\.py")
    if not beside and not inside:
        return None
    files = [
        *(root / name for name in beside),
        *(root / "tests" / name for name in inside),
    ]
    if any(_PYTESTS.search(read_text(file)) for file in files):
        return "python3 -m pytest -q"
    # Test discovery enters packages only.
    if beside or names(root / "tests", r"__init__\.py"):
        return "python3 -m unittest discover"
    return "python3 -m unittest discover -s tests"


def _is_pytest_configured(root: Path) -> bool:
    if names(root, r"\.?pytest\.ini|conftest\.py"):
        return True
    if names(root / "tests", r"conftest\.py"):
        return True
    return any(
        re.search(section, read_text(root / file), re.MULTILINE)
        for file, section in _PYTEST_SECTIONS.items()
    )


def package_json(root: Path) -> dict[str, Any]:
    """Return the content of `package.json`; empty if there is none or it is invalid."""
    try:
        package: Any = json.loads(read_text(root / "package.json") or "{}")
    except (ValueError, RecursionError):
        return {}
    return package if isinstance(package, dict) else {}


def _node(root: Path) -> str | None:
    scripts = package_json(root).get("scripts")
    test = scripts.get("test") if isinstance(scripts, dict) else None
    if not isinstance(test, str) or not test or _NO_NPM_TEST in test:
        return None
    return "yarn test" if _uses_plug_and_play(root) else "npm test"


def _uses_plug_and_play(root: Path) -> bool:
    """Return whether Yarn's Plug'n'Play is on: only Yarn finds the packages then.

    There is no `node_modules` in that case.
    """
    linker = re.search(
        r"^nodeLinker: *[\"']?([\w-]+)", read_text(root / ".yarnrc.yml"), re.MULTILINE
    )
    return is_yarn_modern(root) and (linker is None or linker[1] == "pnp")


def is_yarn_modern(root: Path) -> bool:
    """Return whether the lock file was written by Yarn 2 or later."""
    return "__metadata:" in read_text(root / "yarn.lock")


def _by_build_file(root: Path) -> list[str]:
    """Return the commands of languages whose build file implies how to test."""
    maven = "sh ./mvnw" if names(root, "mvnw") else "mvn"
    gradle = "sh ./gradlew" if names(root, "gradlew") else "gradle"
    commands = {
        r"go\.mod": "go test ./...",
        r"Cargo\.toml": "cargo test",
        r"pom\.xml": f"{maven} -q test",
        r"build\.gradle(\.kts)?": f"{gradle} test",
    }
    return [command for name, command in commands.items() if names(root, name)]


def has_target(root: Path, target: str) -> bool:
    """Return whether the Makefile has a rule for the target."""
    rule = re.compile(rf"^(?:[\w.-]+ +)*{target}(?: +[\w.-]+)* *:(?!=)", re.MULTILINE)
    return any(
        rule.search(read_text(root / name))
        for name in ("GNUmakefile", "makefile", "Makefile")
    )


def names(folder: Path, pattern: str) -> list[str]:
    """Return the names of regular files in a folder that match a pattern, sorted.

    Args:
        folder: A folder; anything else has no files.
        pattern: A regular expression for the whole name.
    """
    try:
        if not stat.S_ISDIR(folder.lstat().st_mode):
            return []
    except FileNotFoundError:
        return []
    with os.scandir(folder) as entries:
        found = [
            e.name
            for e in entries
            if re.fullmatch(pattern, e.name) and e.is_file(follow_symlinks=False)
        ]
    return sorted(found)[:_MAX_FILES]


def read_text(file: Path) -> str:
    """Return the first MiB of a regular file as text; empty for anything else."""
    return read_regular_file(file, _MAX_BYTES).decode("utf-8-sig", errors="replace")


def read_file(file: Path) -> bytes:
    """Read a regular file of the repository.

    Raises:
        OSError: if it does not exist, is not a regular file or is larger than 1 MiB.
    """
    data = read_head(file, _MAX_BYTES + 1)
    if len(data) > _MAX_BYTES:
        raise OSError(errno.EFBIG, "it is larger than 1 MiB")
    return data
