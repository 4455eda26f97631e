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
from pathlib import Path
from typing import Any

from aideator.domain.check import Command
from aideator.setup.build_files import kinds_of
from aideator.setup.files import has_target, names, package_json, read_text
from aideator.setup.guess_checks import checks_of_folder, guess_checks
from aideator.setup.guess_node import is_yarn_modern
from aideator.setup.python_dependencies import (
    dependencies_of_tools,
    extras_of,
    tables,
    toml_of,
)
from aideator.setup.rebuild import has_extension
from aideator.setup.workspaces import packages_of

_SECONDS = 1800.0
_TEST_EXTRAS = (
    "dev", "develop", "development", "test", "tests", "testing", "unittest", "ci",
)  # fmt: skip
"""Common names of extras and dependency groups that tests need."""
_NAMES = r"(dev|develop|development|test|tests|testing|unittest|ci|pytest)"
_REQUIREMENTS = (
    rf"requirements([-_.]{_NAMES})?\.txt|{_NAMES}[-_.]requirements\.txt"
    r"|test-requires\.txt"
)
_REQUIREMENTS_FOLDERS = {
    "requirements": rf"(requirements[-_.])?(base|main|common|default|{_NAMES})\.txt",
    "tests": rf"({_NAMES}[-_.])?requirements([-_.]{_NAMES})?\.txt",
    "test": rf"({_NAMES}[-_.])?requirements([-_.]{_NAMES})?\.txt",
}
"""Folder → the names of the files in it that list what tests need."""
_PIP = "python -m pip install"
_VENV = "python3 -m venv .venv"
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
    commands = _of_folder(checkout) or _make(checkout) or _of_packages(checkout)
    if commands and not can_install:
        return (), (
            "nothing is installed, because set-up may reach no host"
            f" (SETUP_ALLOWED_HOSTS=none); otherwise: {'; '.join(commands)}",
        )
    return tuple(Command(command=command, timeout=_SECONDS) for command in commands), ()


def _of_folder(folder: Path) -> list[str]:
    commands: list[str] = []
    for guess in (_python, _node, _go, _rust, _maven, _gradle):
        commands += guess(folder)
    tested = [check.command for check in checks_of_folder(folder)]
    for kind in kinds_of(folder):
        if kind.command in tested:
            commands += kind.setup
    return list(dict.fromkeys(commands))


def _of_packages(root: Path) -> list[str]:
    """Return what installs each package of a repository that holds several.

    Python's share the environment of the root, whose programs come first on PATH.
    """
    commands: list[str] = []
    for package in packages_of(root):
        for command in _of_folder(root / package):
            commands.append(
                command if command == _VENV else f"cd {package} && {command}"
            )
    return list(dict.fromkeys(commands))


def _python(root: Path) -> list[str]:
    if names(root, r"uv\.lock"):
        return [_VENV, *_uv(root)]
    if names(root, r"poetry\.lock"):
        return _poetry(root)
    commands = _pip(root)
    return [_VENV, *commands] if commands else []


def _poetry(root: Path) -> list[str]:
    pyproject = toml_of(root / "pyproject.toml")
    groups = tables(pyproject, "tool", "poetry", "group")
    optional = [
        name
        for name in _named_for_tests(groups)
        if groups[name].get("optional") is True
    ]
    extras = _named_for_tests(tables(pyproject, "tool", "poetry", "extras"))
    install = [f"{_POETRY}/poetry install --no-interaction"]
    install += [f"--with {name}" for name in optional]
    install += [f"--extras {name}" for name in extras]
    commands = [
        "python3 -m venv .aideator/poetry",
        f"{_POETRY}/python -m pip install poetry",
        " ".join(install),
    ]
    if _lacks_pytest(root, read_text(root / "poetry.lock")):
        commands.append(f"{_POETRY}/poetry run python -m pip install pytest")
    return commands


def _uv(root: Path) -> list[str]:
    pyproject = toml_of(root / "pyproject.toml")
    sync = ["uv sync --frozen"]
    if tables(pyproject, "tool", "uv", "workspace"):
        sync.append("--all-packages")
    sync += [f"--extra {name}" for name in _test_extras(pyproject)]
    sync += [f"--group {name}" for name in _test_groups(pyproject)]
    commands = [f"{_PIP} uv", " ".join(sync)]
    lock = read_text(root / "uv.lock")
    if lock and _lacks_pytest(root, lock):
        commands.append("uv pip install pytest")
    return commands


def _pip(root: Path) -> list[str]:
    pyproject = toml_of(root / "pyproject.toml")
    requirements = _requirements(root)
    arguments = [f"-r {name}" for name in requirements]
    extras, listed = extras_of(root, pyproject, _TEST_EXTRAS)
    if _is_package(root, pyproject):
        named = ",".join(extras)
        arguments.append(f"-e '.[{named}]'" if named else "-e .")
    groups = _test_groups(pyproject)
    arguments += [f"--group {name}" for name in groups]
    of_tools = dependencies_of_tools(root, pyproject, _TEST_EXTRAS)
    arguments += map(shlex.quote, of_tools)
    installed = [*(read_text(root / name) for name in requirements), listed, *of_tools]
    installed.append(
        repr([tables(pyproject, "dependency-groups").get(g) for g in groups])
    )
    installed.append(repr(tables(pyproject, "project").get("dependencies")))
    if _lacks_pytest(root, "\n".join(installed)):
        arguments.append("pytest")
    if _is_tested_by(root, "-m (tox|nox)"):
        arguments.append("tox" if names(root, r"tox\.ini") else "nox")
    return _installs(root, arguments, pyproject, with_groups=bool(groups))


def _installs(
    root: Path, arguments: list[str], pyproject: dict[str, Any], *, with_groups: bool
) -> list[str]:
    if not arguments:
        return []
    commands = [f"{_PIP} {' '.join(arguments)}"]
    if has_extension(root) and _is_package(root, pyproject):
        # Where it is built again later, there is no network for an isolated build.
        commands.insert(0, f"{_PIP} {' '.join(_build_requirements(pyproject))}")
    if with_groups:  # `--group` needs pip 25.1 or later.
        commands.insert(0, f"{_PIP} --upgrade pip")
    if _is_tested_by(root, "-m tox"):
        commands.append("python -m tox run -e py --notest")
    return commands


def _requirements(root: Path) -> list[str]:
    found = names(root, _REQUIREMENTS)
    for folder, pattern in _REQUIREMENTS_FOLDERS.items():
        found += [f"{folder}/{name}" for name in names(root / folder, pattern)]
    return found


def _is_package(root: Path, pyproject: dict[str, Any]) -> bool:
    """Return whether pip can install the project itself."""
    if "project" in pyproject or "build-system" in pyproject:
        return True
    return bool(names(root, r"setup\.py"))


def _is_tested_by(root: Path, pattern: str) -> bool:
    return any(re.search(pattern, check.command) for check in checks_of_folder(root))


def _lacks_pytest(root: Path, installed: str) -> bool:
    """Return whether the checks need pytest and nothing that is installed brings it.

    Args:
        root: The project.
        installed: The text of all that lists what is installed.
    """
    brings = re.search(r"\bpytest\b(?![.\]])", installed)
    return not brings and _is_tested_by(root, r"\bpytest\b")


def _build_requirements(pyproject: dict[str, Any]) -> list[str]:
    """Return what building the project needs, quoted for a shell."""
    system = pyproject.get("build-system")
    requires = system.get("requires") if isinstance(system, dict) else None
    named = [str(each) for each in requires] if isinstance(requires, list) else []
    return ["setuptools", "wheel", *(shlex.quote(each) for each in named)]


def _test_extras(pyproject: dict[str, Any]) -> list[str]:
    """Return the project's extras that tests commonly need."""
    return _named_for_tests(tables(pyproject, "project", "optional-dependencies"))


def _test_groups(pyproject: dict[str, Any]) -> list[str]:
    """Return the project's dependency groups that tests commonly need."""
    return _named_for_tests(pyproject.get("dependency-groups"))


def _named_for_tests(table: object) -> list[str]:
    if not isinstance(table, dict):
        return []
    return [name for name in _TEST_EXTRAS if name in table]


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
