"""What has to be compiled again before a change to it can be checked.

Set-up compiles extensions and bundles once, on the base. A change to their sources
shows only when they are compiled again, without a network: the last step of set-up is
repeated, without its downloads.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from aideator.domain.check import Command
from aideator.setup.guess_checks import package_json, read_text

COMPILED = re.compile(
    r"\.(c|cc|cpp|cxx|h|hh|hpp|hxx|cu|pyx|pxd|pxi|rs|f|f90|m|mm|i|gyp|gypi)$"
    r"|(^|/)(setup\.py|pyproject\.toml|CMakeLists\.txt|meson\.build|Cargo\.toml)$"
)
"""Files that a compiler of extensions reads."""
SOURCE = re.compile(
    COMPILED.pattern + r"|\.(py|[cm]?[jt]sx?|json|go|java|kts?|scala|cs|vue|svelte"
    r"|css|scss|proto|html)$"
)
"""Files that a build of any kind reads."""


@dataclass(frozen=True)
class Build:
    """One command that builds what set-up has built, and needs no network."""

    command: str
    reads: re.Pattern[str]
    """Matches the paths of its sources."""


@dataclass(frozen=True)
class _Rule:
    """How one kind of set-up command is repeated without its downloads."""

    matches: re.Pattern[str]
    command: str
    """What repeats it; empty for the command itself."""
    reads: re.Pattern[str]
    only_if_compiled: bool = False
    """Whether there is nothing to build unless the project has an extension."""


_OFFLINE = "--no-deps --no-build-isolation"
_RULES = (
    _Rule(
        re.compile(r"\bpip3? install\b.*(-e|--editable)[ =]['\"]?\.(['\"\[ /]|$)"),
        f"python -m pip install -q {_OFFLINE} -e .",
        COMPILED,
        only_if_compiled=True,
    ),
    _Rule(
        re.compile(r"\bpip3? install\b(?!.*(-e|--editable)\b).*\s['\"]?\.(['\"\[ ]|$)"),
        f"python -m pip install -q {_OFFLINE} --force-reinstall .",
        SOURCE,
    ),
    _Rule(
        re.compile(r"\buv sync\b"),
        f"uv pip install -q --offline {_OFFLINE} -e .",
        COMPILED,
        only_if_compiled=True,
    ),
    _Rule(
        re.compile(r"\bpoetry install\b"),
        ".aideator/poetry/bin/poetry install --only-root --no-interaction",
        COMPILED,
        only_if_compiled=True,
    ),
    _Rule(
        re.compile(
            r"\bmaturin develop\b|\bsetup\.py (build|build_ext|develop|install)\b"
        ),
        "",
        COMPILED,
    ),
    _Rule(
        re.compile(
            r"^(npm|pnpm|yarn|bun)( run)? [\w:-]*(build|compile|bundle|prepare)\b"
            r"|^(npx )?tsc\b|^make\b|\bcmake --build\b|^ninja\b|^meson compile\b"
            r"|^(cargo|go|dotnet|swift|zig) build\b"
        ),
        "",
        SOURCE,
    ),
)
_INSTALLS_NODE = re.compile(r"^(npm (ci|install|i)|pnpm install|yarn install)\b")
_EXTENSION = re.compile(
    r"\bext_modules\b|\bExtension\(|cythonize|setuptools_rust|RustExtension|cffi_modules"
    r"|build-backend *= *[\"'](maturin|mesonpy|scikit_build_core|sipbuild)"
    r"|\[tool\.(maturin|scikit-build|cibuildwheel)\b|ext-modules|^build *= *[\"']\w",
    re.MULTILINE,
)


def has_extension(project: Path) -> bool:
    """Return whether a Python project compiles an extension.

    Args:
        project: The base's files. Nothing is executed, and no link is followed.
    """
    names = ("setup.py", "setup.cfg", "pyproject.toml")
    return any(_EXTENSION.search(read_text(project / name)) for name in names)


def builds_for(
    setup: Sequence[Command], project: Path, paths: Iterable[str]
) -> tuple[str, ...]:
    """Return the commands that build again what a change to these paths touches.

    Args:
        setup: The set-up commands of the run.
        project: The base's files.
        paths: What the change touches, without tests.
    """
    sources = [*paths]
    found = (
        build.command
        for build in _builds(setup, project)
        if any(build.reads.search(path) for path in sources)
    )
    return tuple(dict.fromkeys(found))


def _builds(setup: Sequence[Command], project: Path) -> Iterator[Build]:
    compiled = has_extension(project)
    for command in setup:
        line = command.command.strip()
        for rule in _RULES:
            if rule.matches.search(line) and (compiled or not rule.only_if_compiled):
                yield Build(rule.command or line, rule.reads)
        if _INSTALLS_NODE.search(line):
            yield from _of_package(project, line.partition(" ")[0])


def _of_package(project: Path, manager: str) -> Iterator[Build]:
    """Yield what installing a package of npm's builds in its own folder."""
    scripts = package_json(project).get("scripts")
    named = scripts if isinstance(scripts, dict) else {}
    if (project / "binding.gyp").is_file() and "install" not in named:
        yield Build("npm exec --offline -- node-gyp rebuild", COMPILED)
    for name in ("install", "postinstall", "prepare"):
        if isinstance(named.get(name), str) and not _HOOKS.match(named[name]):
            yield Build(f"{manager} run {name}", SOURCE)


_HOOKS = re.compile(
    r"(husky|lefthook|simple-git-hooks|git config|patch-package|is-ci|echo)\b"
)
"""What `prepare` often calls that builds nothing."""
