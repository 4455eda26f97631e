"""Tell what tools leave behind apart from what was written: caches, coverage, builds.

Leftovers are left out of patches, with a note, unless the project's `.gitignore`
includes them again (`!dist/`) or the project tracks files in such a folder. A table and
what turns it into git's exclude patterns (gitignore(5)); no pattern contains a slash
but at its end.
"""

import re
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase

SILENT = frozenset({"__pycache__/", "*.py[co]"})
"""Python's bytecode, which every test run leaves: no note names it."""

_KINDS = {
    "caches": (
        *sorted(SILENT),
        ".pytest_cache/",
        ".mypy_cache/",
        ".ruff_cache/",
        ".hypothesis/",
        ".tox/",
        ".nox/",
        ".gradle/",
        ".next/",
        ".nuxt/",
        ".svelte-kit/",
        ".turbo/",
        ".parcel-cache/",
        ".angular/",
        ".cache/",
        ".dart_tool/",
        ".terraform/",
        ".ipynb_checkpoints/",
        ".eslintcache",
        ".stylelintcache",
        "*.tsbuildinfo",
    ),
    "installed packages": (
        ".venv/",
        "venv/",
        "node_modules/",
        "bower_components/",
        ".eggs/",
    ),
    "coverage": (
        ".coverage",
        ".coverage.*",
        "coverage.xml",
        "coverage.out",
        "lcov.info",
        "htmlcov/",
        "coverage/",
        ".nyc_output/",
        "*.gcda",
        "*.gcno",
        "*.profraw",
        "*.profdata",
    ),
    "build output": (
        "build/",
        "dist/",
        "target/",
        "_build/",
        "*.egg-info/",
        "CMakeFiles/",
        "CMakeCache.txt",
        "*.class",
        "*.o",
        "*.obj",
        "a.out",
    ),
    "files of editors and desktops": (
        "*~",
        ".*.sw[a-p]",
        "*.orig",
        "*.rej",
        ".#*",
        r"\#*#",
        ".idea/",
        ".aider*",
        ".DS_Store",
        "Thumbs.db",
        "desktop.ini",
    ),
    "logs and dumps": (
        "npm-debug.log*",
        "yarn-debug.log*",
        "yarn-error.log*",
        "pnpm-debug.log*",
        "nohup.out",
        "hs_err_pid*.log",
        *("core." + "[0-9]" * digits for digits in range(1, 8)),
    ),
}
_KIND_OF = dict[str, str]()
for _kind, _patterns in _KINDS.items():
    _KIND_OF |= dict.fromkeys(_patterns, _kind)
_SPECIAL = re.compile(rb"[\\*?\[!# ]")


def exclude_patterns(tracked: Mapping[bytes, str] | None = None) -> bytes:
    """Return the content of an excludes file.

    Args:
        tracked: Files of the project that match → the pattern. A folder that contains
            such a file is no leftover here; nor is any file that matches a pattern for
            files which the project's own files match.
    """
    meant, folders = set[str](), set[bytes]()
    for path, pattern in (tracked or {}).items():
        if pattern.endswith("/"):
            folders.add(_folder(path, pattern))
        else:
            meant.add(pattern)
    lines = [pattern.encode() for pattern in _KIND_OF if pattern not in meant]
    lines += [b"!/" + _escape(folder) + b"/" for folder in sorted(folders)]
    return b"\n".join([*lines, b""])


def _folder(path: bytes, pattern: str) -> bytes:
    """Return the topmost folder of a path that matches a pattern."""
    parts = path.split(b"/")
    name = pattern.removesuffix("/").encode()
    depth = next(n for n, part in enumerate(parts, 1) if fnmatchcase(part, name))
    return b"/".join(parts[:depth])


def _escape(path: bytes) -> bytes:
    """Escape a path for an excludes file, whose patterns cannot contain line ends."""
    return _SPECIAL.sub(rb"\\\g<0>", path).replace(b"\n", b"?")


def note_on(found: Iterable[tuple[str, str]]) -> tuple[str, ...]:
    """Return a note on the leftovers that were left out.

    Args:
        found: Path for people, and the pattern that it matches.
    """
    kinds = dict[str, list[str]]()
    for path, pattern in found:
        if pattern not in SILENT:
            kinds.setdefault(_KIND_OF[pattern], []).append(path)
    if not kinds:
        return ()
    listed = "; ".join(f"{kind}: {enumerate_names(kinds[kind])}" for kind in kinds)
    return (
        f"leftovers of tools are left out of the patch ({listed}); a line such as"
        " `!dist/` in .gitignore takes them along",
    )


def enumerate_names(names: list[str], most: int = 10) -> str:
    """Return the first names of a list, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
