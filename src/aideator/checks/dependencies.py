"""The Python modules that a project declares as dependencies.

A test that cannot import such a module lacks set-up. One that cannot import another may
wait for the work that the agents are asked to do.
"""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from aideator.domain.check import CheckResult, TestOutcome
from aideator.repositories.untrusted_tree import read_regular_file

_NAME = re.compile(r"\s*([A-Za-z][\w.-]*)")
_QUOTED = re.compile(r"""["']([A-Za-z][\w.-]*)\s*(?:[<>=!~;\[][^"']*)?["']""")
_MISSING = re.compile(r"No module named '([A-Za-z_]\w*)")


def declared_modules(tree: Path) -> frozenset[str]:
    """Return the likely names of the modules that a project depends on.

    Args:
        tree: The base's files. Nothing is executed, and no link is followed.
    """
    found = [*_of_requirements(tree), *_of_setup_py(tree)]
    pyproject = _toml(tree / "pyproject.toml")
    project = _table(pyproject, "project")
    found += _names(project.get("dependencies"))
    extras = _table(project, "optional-dependencies")
    groups = _table(pyproject, "dependency-groups")
    for listed in (*extras.values(), *groups.values()):
        found += _names(listed)
    poetry = _table(_table(pyproject, "tool"), "poetry")
    found += [*_table(poetry, "dependencies"), *_table(poetry, "dev-dependencies")]
    for group in _table(poetry, "group").values():
        found += _table(group, "dependencies")
    return frozenset(re.sub(r"[-.]", "_", name).lower() for name in found)


def missing_dependency(result: CheckResult, declared: frozenset[str]) -> str:
    """Return that no test could be imported for want of a dependency, or nothing."""
    names = {
        _missing_module(test.message) if test.outcome is TestOutcome.ERROR else ""
        for test in result.tests
    }
    known = {name for name in names if name.lower() in declared}
    return f"No module named '{min(known)}'" if known and known == names else ""


def _missing_module(message: str) -> str:
    found = _MISSING.search(message)
    return found[1] if found else ""


def _of_requirements(tree: Path) -> Iterator[str]:
    for folder in (tree, tree / "requirements"):
        for file in sorted(folder.glob("*.txt")):
            for line in _text(file).splitlines():
                if found := _NAME.match(line):
                    yield found[1]


def _of_setup_py(tree: Path) -> list[str]:
    return _QUOTED.findall(_text(tree / "setup.py"))


def _names(listed: object) -> list[str]:
    lines = listed if isinstance(listed, list) else []
    found = [_NAME.match(line) for line in lines if isinstance(line, str)]
    return [name[1] for name in found if name]


def _table(table: object, name: str) -> dict[str, Any]:
    found = table.get(name) if isinstance(table, dict) else None
    return found if isinstance(found, dict) else {}


def _toml(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(_text(file))
    except (ValueError, RecursionError):
        return {}


def _text(file: Path) -> str:
    return read_regular_file(file).decode(errors="replace")
