"""Read files of the base commit. Nothing is executed and no link is followed."""

import errno
import json
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from aideator.repositories.untrusted_tree import read_head, read_regular_file

_MAX_BYTES = 2**20
_MAX_FILES = 200
_MAX_ENTRIES = 20_000
"""Files and folders that are looked at when a tree is walked."""
_MAX_DEPTH = 6
_NO_SOURCES = {
    "node_modules", "venv", "env", "build", "dist", "target", "vendor", "third_party",
    "site-packages", "fixtures", "testdata", "examples", "docs", "__pycache__",
}  # fmt: skip


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


def package_json(root: Path) -> dict[str, Any]:
    """Return the content of `package.json`; empty if there is none or it is invalid."""
    try:
        package: Any = json.loads(read_text(root / "package.json") or "{}")
    except (ValueError, RecursionError):
        return {}
    return package if isinstance(package, dict) else {}


def has_target(root: Path, target: str) -> bool:
    """Return whether the Makefile has a rule for the target."""
    rule = re.compile(rf"^(?:[\w.-]+ +)*{target}(?: +[\w.-]+)* *:(?!=)", re.MULTILINE)
    return any(
        rule.search(read_text(root / name))
        for name in ("GNUmakefile", "makefile", "Makefile")
    )


def walk(root: Path, pattern: str) -> list[str]:
    """Return the paths of regular files whose names match, nearest to the root first.

    Hidden folders and those of other people's code are left out. Bounded in entries and
    depth.

    Args:
        root: A folder.
        pattern: A regular expression for the whole name.
    """
    found = [path for path in _paths(root) if re.fullmatch(pattern, path.name)]
    relative = [path.relative_to(root).as_posix() for path in found]
    return sorted(relative, key=lambda path: (path.count("/"), path))[:_MAX_FILES]


def _paths(root: Path) -> Iterator[Path]:
    seen = 0
    for folder, folders, files in os.walk(root):
        depth = len(Path(folder).relative_to(root).parts)
        folders[:] = [] if depth >= _MAX_DEPTH else sorted(filter(_is_source, folders))
        seen += len(files) + len(folders)
        if seen > _MAX_ENTRIES:
            return
        for name in sorted(files):
            path = Path(folder, name)
            if stat.S_ISREG(path.lstat().st_mode):
                yield path


def _is_source(folder: str) -> bool:
    return not folder.startswith(".") and folder not in _NO_SOURCES
