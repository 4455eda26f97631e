"""Read what a Python project lists for its tests, wherever it does."""

import ast
import configparser
import re
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from aideator.setup.files import read_text
from aideator.setup.toml import parse_toml


def toml_of(file: Path) -> dict[str, Any]:
    """Return the content of a TOML file; empty if there is none or it is invalid."""
    try:
        return parse_toml(read_text(file))
    except tomllib.TOMLDecodeError:
        return {}


def tables(found: object, *names: str) -> dict[str, Any]:
    """Return a table within tables; empty where there is none."""
    for name in names:
        found = found.get(name) if isinstance(found, dict) else None
    return found if isinstance(found, dict) else {}


def extras_of(
    root: Path, pyproject: dict[str, Any], wanted: Sequence[str]
) -> tuple[list[str], str]:
    """Return a project's extras of these names, and the text of what they install.

    They stand in `pyproject.toml`, `setup.cfg` or `setup.py`, none of which is run.
    """
    known = {
        **_of_setup_py(read_text(root / "setup.py")),
        **_of_setup_cfg(read_text(root / "setup.cfg")),
        **tables(pyproject, "project", "optional-dependencies"),
        **tables(pyproject, "tool", "poetry", "extras"),
    }
    found = [name for name in wanted if name in known]
    return found, "\n".join(repr(known[name]) for name in found)


def _of_setup_cfg(text: str) -> dict[str, str]:
    parser = configparser.RawConfigParser()
    try:
        parser.read_string(text)
    except configparser.Error:
        return {}
    section = "options.extras_require"
    return dict(parser[section]) if parser.has_section(section) else {}


def _of_setup_py(text: str) -> dict[str, str]:
    """Return the literal dictionary that is called `extras_require`."""
    if "extras_require" not in text:
        return {}
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return {}
    return dict(_literal_extras(tree))


def _literal_extras(tree: ast.AST) -> Iterator[tuple[str, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                if isinstance(key, ast.Constant) and isinstance(value, ast.List):
                    yield str(key.value), ast.unparse(value)


def dependencies_of_tools(
    root: Path, pyproject: dict[str, Any], wanted: Sequence[str]
) -> list[str]:
    """Return what tests need by the words of hatch, PDM, Poetry or Pipenv."""
    found: list[str] = []
    environments = tables(pyproject, "tool", "hatch", "envs")
    for name in ("default", "hatch-test", *wanted):
        environment = tables(environments, name)
        for field in ("dependencies", "extra-dependencies"):
            found += _strings(environment.get(field))
    groups = tables(pyproject, "tool", "pdm", "dev-dependencies")
    for name in wanted:
        found += _strings(groups.get(name))
        group = tables(pyproject, "tool", "poetry", "group", name, "dependencies")
        found += _names(group)
    found += _names(tables(pyproject, "tool", "poetry", "dev-dependencies"))
    pipfile = toml_of(root / "Pipfile")
    found += [
        *_names(tables(pipfile, "packages")),
        *_names(tables(pipfile, "dev-packages")),
    ]
    return list(dict.fromkeys(each for each in found if _REQUIREMENT.match(each)))


_REQUIREMENT = re.compile(r"[A-Za-z][\w.-]*(\[[\w,-]+\])?\s*([<>=!~;@].*)?$")
"""A requirement as pip takes it; no option, no path."""


def _strings(found: object) -> list[str]:
    listed = found if isinstance(found, list) else []
    return [each for each in listed if isinstance(each, str)]


def _names(group: dict[str, Any]) -> list[str]:
    return [name for name in group if name != "python"]
