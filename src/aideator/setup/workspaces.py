"""Find the packages of a repository that holds several."""

import re
import tomllib
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

from aideator.setup.files import names, package_json, read_text
from aideator.setup.toml import parse_toml

MAX_PACKAGES = 12
_MAX_PLACES = 500
_BUILD_FILES = (
    r"package\.json|pyproject\.toml|setup\.py|go\.mod|Cargo\.toml|pom\.xml"
    r"|build\.gradle(\.kts)?|mix\.exs|composer\.json|Gemfile|requirements\.txt"
    r"|manage\.py|build\.sbt|Package\.swift|deno\.json|[\w.-]+\.(sln|csproj)"
)
_LIKELY = (
    "backend", "frontend", "server", "client", "api", "web", "app", "cli", "core",
    "lib", "service", "ui",
)  # fmt: skip
_SAFE = re.compile(r"[\w][\w./-]*")
"""Paths that a shell takes as they are."""


def packages_of(root: Path) -> list[str]:
    """Return the folders of a repository's packages, up to a bound.

    They are those that its workspace files name, or else folders with a build file of
    their own.
    """
    patterns = [*_npm(root), *_pnpm(root), *_uv(root), *_go(root)]
    found: list[str] = []
    for pattern in patterns:
        found += _matching(root, pattern)
    if not patterns:
        found = [f for f in _folders(root) if names(root / f, _BUILD_FILES)]
        found.sort(key=lambda folder: folder not in _LIKELY)
    unique = dict.fromkeys(path for path in found if _SAFE.fullmatch(path))
    return list(unique)[:MAX_PACKAGES]


def _npm(root: Path) -> list[str]:
    found = package_json(root).get("workspaces")
    if isinstance(found, dict):
        found = found.get("packages")
    return [str(each) for each in found] if isinstance(found, list) else []


def _pnpm(root: Path) -> list[str]:
    text = read_text(root / "pnpm-workspace.yaml")
    return re.findall(r"^\s*-\s*['\"]?([^'\"!#\s]+)", text, re.MULTILINE)


def _uv(root: Path) -> list[str]:
    try:
        found: Any = parse_toml(read_text(root / "pyproject.toml"))
    except tomllib.TOMLDecodeError:
        return []
    for name in ("tool", "uv", "workspace", "members"):
        found = found.get(name) if isinstance(found, dict) else None
    return [str(each) for each in found] if isinstance(found, list) else []


def _go(root: Path) -> list[str]:
    text = read_text(root / "go.work")
    return re.findall(r"^\s*(?:use\s+)?\.?/([\w./-]+)\s*$", text, re.MULTILINE)


def _matching(root: Path, pattern: str) -> list[str]:
    """Return the folders that a workspace's pattern names; `*` stands for one level."""
    parts = [part for part in pattern.strip("/").split("/") if part not in {".", ""}]
    if ".." in parts:
        return []
    places = [""]
    for part in parts:
        inner = (_inner(root, place, part) for place in places)
        places = [*chain.from_iterable(inner)][:_MAX_PLACES]
    return [place for place in places if names(root / place, _BUILD_FILES)]


def _inner(root: Path, place: str, part: str) -> Iterator[str]:
    prefix = f"{place}/" if place else ""
    if "*" not in part:
        yield prefix + part
        return
    wanted = re.compile(re.escape(part).replace(r"\*\*", ".*").replace(r"\*", "[^/]*"))
    for name in _folders(root / place):
        if wanted.fullmatch(name):
            yield prefix + name


def _folders(folder: Path) -> list[str]:
    if folder.is_symlink() or not folder.is_dir():
        return []
    found = (each for each in folder.iterdir() if not each.is_symlink())
    return sorted(each.name for each in found if each.is_dir() and each.name[0] != ".")[
        :200
    ]
