"""Coverage of changed lines, from reports that the project's own tools have written.

Formats: Cobertura XML (cobertura.github.io, coverage-04.dtd) and lcov's tracefile
(`geninfo(1)`).

Shown beside the evidence, never deciding; nothing is installed or asked for. Like all
reports these are hostile input.
"""

from bisect import bisect_left
from collections.abc import Callable, Collection, Iterable, Mapping

from aideator.changes.diff import FileDiff
from aideator.checks.reports import Unreadable, from_root, parse_xml

COVERAGE_REPORTS = ("**/coverage.xml", "**/cobertura*.xml", "**/lcov.info")
"""Where tools leave them by default: coverage.py, pytest-cov, istanbul (jest, vitest,
nyc), cargo-llvm-cov, JaCoCo's converters."""

_NUMBER_DIGITS = 40
"""Fewer digits than this may stand in a line number and its hits together."""


def covered(
    files: Iterable[bytes], lines: Mapping[str, Collection[int]]
) -> tuple[int, int] | None:
    """Return how many added lines were executed, and how many are executable.

    None if no report mentions one of them.

    Args:
        files: The reports.
        lines: Added line numbers, from 1, by path.
    """
    run: dict[tuple[str, int], bool] = {}
    changed_path = _changed_paths(lines)
    for file in files:
        is_xml = file.lstrip()[:1] == b"<"
        for path, line, hits in _cobertura(file) if is_xml else _lcov(file):
            changed = changed_path(path)
            if changed and line in lines[changed]:
                run[changed, line] = run.get((changed, line), False) or hits > 0
    return (sum(run.values()), len(run)) if run else None


def added_lines(files: Iterable[FileDiff]) -> dict[str, set[int]]:
    """Return the numbers of the lines that a change added, from 1, by path."""
    return {file.path: set(_added(file)) for file in files}


def _added(file: FileDiff) -> Iterable[int]:
    for hunk in file.hunks:
        number = hunk.new_start
        for line in hunk.lines:
            if line.kind == "added":
                yield number
            number += line.kind != "removed"


def _changed_paths(lines: Collection[str]) -> Callable[[str], str]:
    """Return a look-up of a report's paths: the changed path, or an empty string.

    Cobertura names files from a source folder, which need not be the root, so a path
    stands for one that ends with it. Both sides are hostile and long: paths are sorted
    from their ends, and each look-up bisects.
    """
    reversed_paths = sorted(changed[::-1] for changed in lines)

    def look_up(path: str) -> str:
        if path in lines:
            return path
        end = f"/{path}"[::-1]
        place = bisect_left(reversed_paths, end)
        found = reversed_paths[place : place + 1]
        return found[0][::-1] if found and found[0].startswith(end) else ""

    return look_up


def _lcov(file: bytes) -> Iterable[tuple[str, int, int]]:
    path = ""
    for line in file.decode(errors="replace").splitlines():
        kind, _, value = line.partition(":")
        if kind == "SF":
            path = from_root(value)
        elif kind == "DA":
            number, _, hits = value.partition(",")
            hits = hits.partition(",")[0]
            if _are_numbers(number, hits):
                yield path, int(number), int(hits)


def _are_numbers(number: str, hits: str) -> bool:
    # Python converts long numbers in quadratic time, and a report is hostile input.
    short = len(number + hits) < _NUMBER_DIGITS
    return number.isdecimal() and hits.isdecimal() and short


def _cobertura(file: bytes) -> Iterable[tuple[str, int, int]]:
    found: list[tuple[str, int, int]] = []
    path = ""

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal path
        if name == "class":
            path = from_root(attributes.get("filename", ""))
        elif name == "line":
            number, hits = attributes.get("number", ""), attributes.get("hits", "")
            if _are_numbers(number, hits):
                found.append((path, int(number), int(hits)))

    try:
        parse_xml(file, start)
    except Unreadable:
        return []
    return found
