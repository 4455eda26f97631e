"""Coverage of changed lines, from reports that the project's own tools have written: Cobertura XML and lcov.

Shown beside the evidence, never deciding; nothing is installed or asked for. Like all
reports these are hostile input.
"""

from collections.abc import Collection, Iterable, Mapping

from aideator.changes.diff import FileDiff
from aideator.checks.reports import Unreadable, from_root, parse_xml

COVERAGE_REPORTS = ("**/coverage.xml", "**/cobertura*.xml", "**/lcov.info")
"""Where tools leave them by default: coverage.py, pytest-cov, istanbul (jest, vitest,
nyc), cargo-llvm-cov, JaCoCo's converters."""


def covered(
    files: Iterable[bytes], lines: Mapping[str, Collection[int]]
) -> tuple[int, int] | None:
    """How many of the lines that can be run were run, and how many can be; None if no report speaks of them.

    Args:
        files: The reports.
        lines: Added line numbers by path.
    """
    run: dict[tuple[str, int], bool] = {}
    for file in files:
        for path, line, hits in (
            _cobertura(file) if file.lstrip()[:1] == b"<" else _lcov(file)
        ):
            if (changed := _changed_path(path, lines)) and line in lines[changed]:
                run[changed, line] = run.get((changed, line), False) or hits > 0
    return (sum(run.values()), len(run)) if run else None


def added_lines(files: Iterable[FileDiff]) -> dict[str, set[int]]:
    """The numbers of the lines that a change added, by file."""
    return {file.path: set(_added(file)) for file in files}


def _added(file: FileDiff) -> Iterable[int]:
    for hunk in file.hunks:
        number = hunk.new_start
        for line in hunk.lines:
            if line.kind == "added":
                yield number
            number += line.kind != "removed"


def _changed_path(path: str, lines: Mapping[str, Collection[int]]) -> str:
    # Cobertura names files from a source folder, which need not be the root.
    return next(
        (
            changed
            for changed in lines
            if changed == path or changed.endswith(f"/{path}")
        ),
        "",
    )


def _lcov(file: bytes) -> Iterable[tuple[str, int, int]]:
    path = ""
    for line in file.decode(errors="replace").splitlines():
        kind, _, value = line.partition(":")
        if kind == "SF":
            path = from_root(value)
        elif kind == "DA":
            number, _, hits = value.partition(",")
            hits = hits.partition(",")[0]
            if number.isdecimal() and hits.isdecimal() and len(number + hits) < 40:
                yield path, int(number), int(hits)


def _cobertura(file: bytes) -> Iterable[tuple[str, int, int]]:
    found: list[tuple[str, int, int]] = []
    path = ""

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal path
        if name == "class":
            path = from_root(attributes.get("filename", ""))
        elif name == "line":
            number, hits = attributes.get("number", ""), attributes.get("hits", "")
            if number.isdecimal() and hits.isdecimal() and len(number + hits) < 40:
                found.append((path, int(number), int(hits)))

    try:
        parse_xml(file, start)
    except Unreadable:
        return []
    return found
