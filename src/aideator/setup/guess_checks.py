"""Guess how a project is tested, from files of the base commit.

Nothing is executed, no link is followed.
"""

import errno
import json
import os
import re
import stat
from pathlib import Path
from typing import Any

from aideator.domain.check import Check

_MAX_BYTES = 2**20
_MAX_FILES = 200
_PYTESTS = re.compile(r"^((import|from) pytest\b|(async )?def test)", re.MULTILINE)
"""Tests that unittest does not find: it knows methods only."""
_NO_NPM_TEST = "no test specified"


def guess_checks(checkout: Path) -> tuple[Check, ...]:
    """Return one check for each language whose tests show in the repository's root; none if nothing shows.

    A Makefile's `test` is only taken where nothing else is known: such targets often
    install things first, and a sandbox has no network.

    Args:
        checkout: The base commit's files (`Checkout.path`).
    """
    guesses = (_python(checkout), _node(checkout), *_by_file(checkout))
    commands = [command for command in guesses if command] or [
        "make test"
    ] * has_target(checkout, "test")
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
    # Discovery enters packages only.
    if beside or names(root / "tests", r"__init__\.py"):
        return "python3 -m unittest discover"
    return "python3 -m unittest discover -s tests"


def _is_pytest_configured(root: Path) -> bool:
    return bool(
        names(root, r"\.?pytest\.ini|conftest\.py")
        or names(root / "tests", r"conftest\.py")
        or "[tool:pytest]" in read_text(root / "setup.cfg")
        or re.search(r"^\[pytest\]", read_text(root / "tox.ini"), re.MULTILINE)
        or re.search(
            r"^\[tool\.pytest\b", read_text(root / "pyproject.toml"), re.MULTILINE
        )
    )


def package_json(root: Path) -> dict[str, Any]:
    """What the Node project says about itself; empty if it is none."""
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
    return "yarn test" if _plugs_and_plays(root) else "npm test"


def _plugs_and_plays(root: Path) -> bool:
    """Whether packages are where only Yarn finds them: there is no `node_modules` then."""
    linker = re.search(
        r"^nodeLinker: *[\"']?([\w-]+)", read_text(root / ".yarnrc.yml"), re.MULTILINE
    )
    return is_yarn_modern(root) and (linker is None or linker[1] == "pnp")


def is_yarn_modern(root: Path) -> bool:
    """Whether the lock file is one of Yarn 2 or later."""
    return "__metadata:" in read_text(root / "yarn.lock")


def _by_file(root: Path) -> list[str]:
    commands = {
        r"go\.mod": "go test ./...",
        r"Cargo\.toml": "cargo test",
        r"pom\.xml": "sh ./mvnw -q test" if names(root, "mvnw") else "mvn -q test",
        r"build\.gradle(\.kts)?": "sh ./gradlew test"
        if names(root, "gradlew")
        else "gradle test",
    }
    return [command for name, command in commands.items() if names(root, name)]


def has_target(root: Path, target: str) -> bool:
    """Whether the Makefile has a rule for the target."""
    rule = re.compile(rf"^(?:[\w.-]+ +)*{target}(?: +[\w.-]+)* *:(?!=)", re.MULTILINE)
    return any(
        rule.search(read_text(root / name))
        for name in ("GNUmakefile", "makefile", "Makefile")
    )


def names(folder: Path, pattern: str) -> list[str]:
    """Names of regular files in a folder that match as a whole, in order; none if it is no folder itself."""
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
    """The text of a regular file, its first MiB; empty for anything else."""
    try:
        return _head(file)[:_MAX_BYTES].decode(errors="replace")
    except OSError:
        return ""


def read_file(file: Path) -> bytes:
    """Read a file that the repository may have replaced by anything.

    Raises:
        OSError: if it is not there, or no regular file of at most a MiB.
    """
    data = _head(file)
    if len(data) > _MAX_BYTES:
        raise OSError(errno.EFBIG, "it is too long")
    return data


def _head(file: Path) -> bytes:
    descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "it is no regular file")
        return os.read(descriptor, _MAX_BYTES + 1)
    finally:
        os.close(descriptor)
