"""Guess the commands that install a project's dependencies, from the base commit.

Nothing is executed and no link is followed.

Only commands that can work are guessed: where set-up may reach no host, nothing is
installed and a note says so, so a run that worked without set-up goes on working.

The commands were tried with ten real tools and their registries, and about half of the
first guesses failed. The comments below and in `setup/tool_paths.py` give the reasons;
`tests/flows/test_registries.py` repeats the trial where registries are configured.
"""

import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

from aideator.domain.check import Command
from aideator.setup.guess_checks import (
    guess_checks,
    has_target,
    is_yarn_modern,
    names,
    package_json,
    read_text,
)
from aideator.setup.rebuild import has_extension
from aideator.setup.toml import parse_toml

_SECONDS = 1800.0
_TEST_EXTRAS = ("dev", "develop", "test", "tests", "testing")
"""Common names of extras and dependency groups that tests need."""
_REQUIREMENTS = (
    r"requirements([-_.](dev|test|tests|testing))?\.txt|(dev|test)[-_]requirements\.txt"
)
_REQUIREMENTS_FOLDER = r"(base|main|dev|test|tests|testing)\.txt"
_PIP = "python -m pip install"
_POETRY = ".aideator/poetry/bin"
"""Poetry has an environment of its own, because the project may need other versions of
Poetry's dependencies."""
_MAKE_TARGETS = ("deps", "setup", "bootstrap")


def guess_setup(
    checkout: Path, *, can_install: bool
) -> tuple[tuple[Command, ...], tuple[str, ...]]:
    """Return the commands that install a project's dependencies, and notes.

    If the commands could reach no host, a note replaces them.

    Args:
        checkout: The base commit's files (`Checkout.path`).
        can_install: Whether set-up may reach any host.
    """
    commands: list[str] = []
    for guess in (_python, _node, _go, _rust, _maven, _gradle):
        commands += guess(checkout)
    commands = commands or _make(checkout)
    if commands and not can_install:
        return (), (
            "nothing is installed, because set-up may reach no host"
            f" (SETUP_ALLOWED_HOSTS=none); otherwise: {'; '.join(commands)}",
        )
    return tuple(Command(command=command, timeout=_SECONDS) for command in commands), ()


def _python(root: Path) -> list[str]:
    if names(root, r"uv\.lock"):
        return ["python3 -m venv .venv", *_uv(root)]
    if names(root, r"poetry\.lock"):
        return [
            "python3 -m venv .aideator/poetry",
            f"{_POETRY}/python -m pip install poetry",
            f"{_POETRY}/poetry install --no-interaction",
        ]
    commands = _pip(root)
    return ["python3 -m venv .venv", *commands] if commands else []


def _uv(root: Path) -> list[str]:
    pyproject = _toml(root / "pyproject.toml")
    sync = ["uv sync --frozen"]
    sync += [f"--extra {name}" for name in _test_extras(pyproject)]
    sync += [f"--group {name}" for name in _test_groups(pyproject)]
    return [f"{_PIP} uv", " ".join(sync)]


def _pip(root: Path) -> list[str]:
    pyproject = _toml(root / "pyproject.toml")
    requirements = names(root, _REQUIREMENTS)
    for name in names(root / "requirements", _REQUIREMENTS_FOLDER):
        requirements.append(f"requirements/{name}")
    arguments = [f"-r {name}" for name in requirements]
    if _is_package(root, pyproject):
        extras = ",".join(_test_extras(pyproject))
        arguments.append(f"-e '.[{extras}]'" if extras else "-e .")
    groups = _test_groups(pyproject)
    arguments += [f"--group {name}" for name in groups]
    if _lacks_pytest(root, requirements):
        arguments.append("pytest")
    if not arguments:
        return []
    install = f"{_PIP} {' '.join(arguments)}"
    if has_extension(root) and _is_package(root, pyproject):
        # Where it is built again later, there is no network for an isolated build.
        return [f"{_PIP} {' '.join(_build_requirements(pyproject))}", install]
    # `--group` needs pip 25.1 or later.
    return [f"{_PIP} --upgrade pip", install] if groups else [install]


def _build_requirements(pyproject: dict[str, Any]) -> list[str]:
    """Return what building the project needs, quoted for a shell."""
    system = pyproject.get("build-system")
    requires = system.get("requires") if isinstance(system, dict) else None
    named = [str(each) for each in requires] if isinstance(requires, list) else []
    return ["setuptools", "wheel", *(shlex.quote(each) for each in named)]


def _is_package(root: Path, pyproject: dict[str, Any]) -> bool:
    """Return whether pip can install the project itself."""
    if "project" in pyproject or "build-system" in pyproject:
        return True
    return bool(names(root, r"setup\.py"))


def _lacks_pytest(root: Path, requirements: list[str]) -> bool:
    """Return whether the checks need pytest but no file of the project mentions it."""
    if not any("pytest" in check.command for check in guess_checks(root)):
        return False
    files = (*requirements, "pyproject.toml", "setup.py", "setup.cfg")
    text = "".join(read_text(root / name) for name in files)
    # `pytest.ini` and the like do not count.
    return not re.search(r"\bpytest\b(?!\.)", text)


def _test_extras(pyproject: dict[str, Any]) -> list[str]:
    """Return the project's extras that tests commonly need."""
    project = pyproject.get("project")
    extras = project.get("optional-dependencies") if isinstance(project, dict) else None
    return _named_for_tests(extras)


def _test_groups(pyproject: dict[str, Any]) -> list[str]:
    """Return the project's dependency groups that tests commonly need."""
    return _named_for_tests(pyproject.get("dependency-groups"))


def _named_for_tests(table: object) -> list[str]:
    if not isinstance(table, dict):
        return []
    return [name for name in _TEST_EXTRAS if name in table]


def _toml(file: Path) -> dict[str, Any]:
    try:
        return parse_toml(read_text(file))
    except tomllib.TOMLDecodeError:
        return {}


def _node(root: Path) -> list[str]:
    package = package_json(root)
    kinds = ("dependencies", "devDependencies", "workspaces")
    if not any(package.get(kind) for kind in kinds):
        return []
    if names(root, r"package-lock\.json|npm-shrinkwrap\.json"):
        return ["npm ci"]
    if names(root, r"pnpm-lock\.yaml"):
        return _pnpm(root, package)
    if names(root, r"bun\.lockb?"):
        version = _pinned(package, "bun") or "latest"
        return [f"npm install -g bun@{version}", "bun install --frozen-lockfile"]
    if names(root, r"yarn\.lock"):
        return _yarn(root, package)
    return ["npm install --no-package-lock"]


def _pnpm(root: Path, package: dict[str, Any]) -> list[str]:
    lock = re.search(
        r"^lockfileVersion: *['\"]?(\d+)",
        read_text(root / "pnpm-lock.yaml"),
        re.MULTILINE,
    )
    matching = _PNPM.get(lock[1] if lock else "", "latest")
    version = _pinned(package, "pnpm") or matching
    return [f"npm install -g pnpm@{version}", "pnpm install --frozen-lockfile"]


def _yarn(root: Path, package: dict[str, Any]) -> list[str]:
    if not is_yarn_modern(root):
        return ["npm install -g yarn@1", "yarn install --frozen-lockfile"]
    version = _pinned(package, "yarn")
    # A Yarn other than the one that wrote the lock file may write it in another format,
    # so the lock file may only be required to stay the same if the version is pinned.
    immutable = "--immutable" if version else "--no-immutable"
    return [
        f"npm install -g @yarnpkg/cli-dist@{version or 'latest'}",
        f"yarn install {immutable}",
    ]


_PNPM = {"5": "7", "6": "8", "9": "10"}
"""Version of a lock file → major version of the pnpm that reads it unchanged, on every
Node that is still maintained."""


def _pinned(package: dict[str, Any], manager: str) -> str:
    """Return the manager's version that `packageManager` pins; empty if none."""
    stated = re.match(
        rf"{manager}@(\d+\.\d+\.\d+)", str(package.get("packageManager", ""))
    )
    return stated[1] if stated else ""


def _go(root: Path) -> list[str]:
    if not re.search(r"^require\b", read_text(root / "go.mod"), re.MULTILINE):
        return []
    # The second command fills the build cache. A base that does not compile must not
    # fail set-up.
    return ["go mod download", "go test -run '^$' ./... || true"]


def _rust(root: Path) -> list[str]:
    if not re.search(
        r"^\[[\w.'\"()=-]*dependencies\b", read_text(root / "Cargo.toml"), re.MULTILINE
    ):
        return []
    locked = " --locked" if names(root, r"Cargo\.lock") else ""
    return [f"cargo fetch{locked}", "cargo test --no-run || true"]


def _maven(root: Path) -> list[str]:
    if not names(root, r"pom\.xml"):
        return []
    program = "sh ./mvnw" if names(root, "mvnw") else "mvn"
    # Surefire downloads what runs the tests when it runs them. They are stopped soon:
    # here they say nothing, and some wait for ever behind the proxy of set-up.
    return [
        f"{program} -B -q -Dmaven.test.failure.ignore=true -Dsurefire.timeout=30 test"
    ]


def _gradle(root: Path) -> list[str]:
    if not names(root, r"build\.gradle(\.kts)?"):
        return []
    program = "sh ./gradlew" if names(root, "gradlew") else "gradle"
    return [
        f"{program} --no-daemon testClasses",
        f"{program} --no-daemon test || true",
    ]


def _make(root: Path) -> list[str]:
    if [check.command for check in guess_checks(root)] != ["make test"]:
        return []
    for target in _MAKE_TARGETS:
        if has_target(root, target):
            return [f"make {target}"]
    return []
