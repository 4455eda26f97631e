"""Guess what installs a project's dependencies, from files of the base commit.

Nothing is executed, no link followed.

Odd on purpose: only what can work is guessed. Where set-up may reach no host nothing is
installed, and a note says so; a run that worked without set-up goes on working.

The commands were tried with ten real tools and their registries, where about half of
the first guesses failed; each comment below is one of these reasons, and so are those
in `changes/tool_paths.py` (`tests/flows/test_registries.py` repeats it where registries
are configured).
"""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from aideator.domain.check import Command
from aideator.setup.egress import Egress
from aideator.setup.guess_checks import (
    guess_checks,
    has_target,
    is_yarn_modern,
    names,
    package_json,
    read_text,
)

_SECONDS = 1800.0
_EXTRAS = ("dev", "develop", "test", "tests", "testing")
"""How extras and groups are called that hold what tests need."""
_REQUIREMENTS = (
    r"requirements([-_.](dev|test|tests|testing))?\.txt|(dev|test)[-_]requirements\.txt"
)
_MAKE_TARGETS = ("deps", "setup", "bootstrap")


def guess_setup(
    checkout: Path, egress: Egress
) -> tuple[tuple[Command, ...], tuple[str, ...]]:
    """Return the commands that install what the project needs; or a note, if they could reach nothing.

    Args:
        checkout: The base commit's files (`Checkout.path`).
        egress: What set-up may reach.
    """
    commands = [
        command for language in _LANGUAGES for command in language(checkout)
    ] or _make(checkout)
    if commands and not egress:
        left_out = "; ".join(commands)
        return (), (
            f"nothing is installed, for set-up may reach no host (SETUP_ALLOWED_HOSTS); else: {left_out}",
        )
    return tuple(Command(command=command, timeout=_SECONDS) for command in commands), ()


def _python(root: Path) -> list[str]:
    pyproject = _toml(root / "pyproject.toml")
    steps = list(_python_steps(root, pyproject))
    place = (
        ".aideator/poetry"
        if names(root, r"poetry\.lock") and not names(root, r"uv\.lock")
        else ".venv"
    )
    return [f"python3 -m venv {place}", *steps] if steps else []


def _python_steps(root: Path, pyproject: dict[str, Any]) -> Iterator[str]:
    pip = "python -m pip install"
    extras, groups = (
        _test_names(pyproject, "project", "optional-dependencies"),
        _test_names(pyproject, "dependency-groups"),
    )
    if names(root, r"uv\.lock"):
        chosen = "".join(f" --extra {extra}" for extra in extras)
        yield f"{pip} uv"
        yield f"uv sync --frozen{chosen}{''.join(f' --group {group}' for group in groups)}"
        return
    if names(root, r"poetry\.lock"):
        yield f"{_POETRY}/python -m pip install poetry"
        yield f"{_POETRY}/poetry install --no-interaction"
        return
    files = [
        *names(root, _REQUIREMENTS),
        *(f"requirements/{name}" for name in names(root / "requirements", _LISTED)),
    ]
    wanted = [f"-r {name}" for name in files]
    if (
        "project" in pyproject
        or "build-system" in pyproject
        or names(root, r"setup\.py")
    ):
        wanted.append(f"-e '.[{','.join(extras)}]'" if extras else "-e .")
    wanted += [f"--group {group}" for group in groups]
    said = "".join(
        read_text(root / name)
        for name in (*files, "pyproject.toml", "setup.py", "setup.cfg")
    )
    if any("pytest" in check.command for check in guess_checks(root)) and not re.search(
        r"\bpytest\b(?!\.)", said
    ):
        wanted.append("pytest")
    if groups:
        yield f"{pip} --upgrade pip"  # groups are for pip 25.1 and later
    if wanted:
        yield f"{pip} {' '.join(wanted)}"


_POETRY = ".aideator/poetry/bin"
"""An environment of its own: what Poetry itself needs is not the project's, and may be
another version of it."""
_LISTED = r"(base|main|dev|test|tests|testing)\.txt"


def _test_names(pyproject: dict[str, Any], *path: str) -> list[str]:
    found: Any = pyproject
    for part in path:
        found = found.get(part) if isinstance(found, dict) else None
    return [name for name in _EXTRAS if isinstance(found, dict) and name in found]


def _toml(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(read_text(file))
    except (tomllib.TOMLDecodeError, RecursionError):
        return {}


def _node(root: Path) -> list[str]:
    package = package_json(root)
    if not any(
        package.get(kind) for kind in ("dependencies", "devDependencies", "workspaces")
    ):
        return []
    if names(root, r"package-lock\.json|npm-shrinkwrap\.json"):
        return ["npm ci"]
    if names(root, r"pnpm-lock\.yaml"):
        lock = re.search(
            r"^lockfileVersion: *['\"]?(\d+)",
            read_text(root / "pnpm-lock.yaml"),
            re.MULTILINE,
        )
        version = _pinned(package, "pnpm") or _PNPM.get(
            lock[1] if lock else "", "latest"
        )
        return [f"npm install -g pnpm@{version}", "pnpm install --frozen-lockfile"]
    if names(root, r"bun\.lockb?"):
        return [
            f"npm install -g bun@{_pinned(package, 'bun') or 'latest'}",
            "bun install --frozen-lockfile",
        ]
    if is_yarn_modern(root):
        pinned = _pinned(package, "yarn")
        # Another Yarn than the one that wrote the lock file may write it in another
        # form, and keep what is in it.
        return [
            f"npm install -g @yarnpkg/cli-dist@{pinned or 'latest'}",
            f"yarn install --{'' if pinned else 'no-'}immutable",
        ]
    if names(root, r"yarn\.lock"):
        return ["npm install -g yarn@1", "yarn install --frozen-lockfile"]
    return ["npm install --no-package-lock"]


_PNPM = {"5": "7", "6": "8", "9": "10"}
"""The version of a lock file → the pnpm that reads it as it stands, on every Node that
is still maintained."""


def _pinned(package: dict[str, Any], manager: str) -> str:
    stated = re.match(
        rf"{manager}@(\d+\.\d+\.\d+)", str(package.get("packageManager", ""))
    )
    return stated[1] if stated else ""


def _go(root: Path) -> list[str]:
    if not re.search(r"^require\b", read_text(root / "go.mod"), re.MULTILINE):
        return []
    # The second fills the build cache; a base that does not compile is no failure of
    # set-up.
    return ["go mod download", "go test -run '^$' ./... || true"]


def _rust(root: Path) -> list[str]:
    if not re.search(
        r"^\[[\w.'\"()=-]*dependencies\b", read_text(root / "Cargo.toml"), re.MULTILINE
    ):
        return []
    locked = " --locked" if names(root, r"Cargo\.lock") else ""
    return [f"cargo fetch{locked}", "cargo test --no-run || true"]


def _maven(root: Path) -> list[str]:
    program = "sh ./mvnw" if names(root, "mvnw") else "mvn"
    # Only a real run of the tests brings everything in that the next one needs.
    return (
        [f"{program} -B -q -Dmaven.test.failure.ignore=true test"]
        if names(root, r"pom\.xml")
        else []
    )


def _gradle(root: Path) -> list[str]:
    program = "sh ./gradlew" if names(root, "gradlew") else "gradle"
    steps = [
        f"{program} --no-daemon testClasses",
        f"{program} --no-daemon test || true",
    ]
    return steps if names(root, r"build\.gradle(\.kts)?") else []


def _make(root: Path) -> list[str]:
    if [check.command for check in guess_checks(root)] != ["make test"]:
        return []
    return [f"make {target}" for target in _MAKE_TARGETS if has_target(root, target)][
        :1
    ]


_LANGUAGES = (_python, _node, _go, _rust, _maven, _gradle)
