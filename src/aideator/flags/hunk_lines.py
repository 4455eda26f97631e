"""The lines of one side of a hunk, each with the test that it stands in."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

from aideator.changes.diff import FileDiff, Hunk
from aideator.flags.dialects import Dialect, named
from aideator.flags.excerpts import LINE_LIMIT

Side = Literal["added", "removed"]


class Enclosing(NamedTuple):
    """The test, or other definition, that a line stands in."""

    name: str
    """Empty for what is no test."""
    new: bool
    """Whether its definition comes with the change."""


@dataclass(frozen=True)
class SideLine:
    """A line as it stands on one side of the change."""

    at: int
    """Its index among the lines of the hunk."""
    kind: Literal["context", "added", "removed"]
    text: str
    """Without indentation."""
    test: Enclosing
    defines: bool = False
    """Whether it defines `test`."""
    prose: bool = False
    """Whether it stands in the docstring of a definition."""


class WholeChange(NamedTuple):
    """What all files of the change together remove and add."""

    moved: Counter[str]
    """Lines that it removes in one place and adds in another."""
    tests_before: Counter[str]
    """Names of tests defined on the old side, as far as the diff shows them."""
    tests_after: Counter[str]


def lines_of(
    hunk: Hunk, dialect: Dialect, side: Side, *, new_file: bool = False
) -> list[SideLine]:
    """Return the lines of one side of a hunk, each with the test that it stands in.

    Args:
        hunk: The hunk.
        dialect: How tests look in its file.
        side: Which of its changed lines to keep, beside the context.
        new_file: Whether the change adds the file, and with it all its tests.
    """
    current = Enclosing(test_around(hunk, dialect), new=new_file)
    found: list[SideLine] = []
    announced = False  # by an attribute such as #[test], with the name to come
    docstring = _Docstring()
    for at, line in enumerate(hunk.lines):
        if line.kind not in {"context", side}:
            continue
        text = line.text.strip()[:LINE_LIMIT]
        test, function = named(dialect.test, text), named(dialect.function, text)
        defines = bool(test) or function is not None
        if defines:
            name = test or (function if announced else "") or ""
            current = Enclosing(name, new=line.kind == side)
            _assign_marks(found, current, dialect)
        prose = docstring.holds(text)
        found.append(
            SideLine(at, line.kind, text, current, defines=defines, prose=prose)
        )
        announced = test == "" or (announced and function is None)
    return found


class _Docstring:
    """Follows Python's docstrings: strings that come first in what is defined."""

    def __init__(self) -> None:
        self._quotes = ""
        self._may_begin = False

    def holds(self, text: str) -> bool:
        """Return whether the next line belongs to a docstring."""
        if self._quotes:
            if self._quotes in text:
                self._quotes = ""
            return True
        found = _DOCSTRING.match(text) if self._may_begin else None
        if found and found[1] not in text[found.end() :]:
            self._quotes = found[1]
        if text:
            self._may_begin = bool(_BLOCK_BEGINS.search(text))
        return found is not None


_DOCSTRING = re.compile(r"[rRuU]?(\"\"\"|''')")
_BLOCK_BEGINS = re.compile(r"^(?:async )?(?:def|class)\b.*:$|^\).*:$")


def test_around(hunk: Hunk, dialect: Dialect) -> str:
    """Return the test, or group of tests, that the hunk begins in."""
    return named(dialect.test, hunk.heading.strip()) or ""


def _assign_marks(found: list[SideLine], test: Enclosing, dialect: Dialect) -> None:
    """Assign decorators, attributes and comments right above a definition to it."""
    place = len(found)
    while place and (begin := _begin_of_mark(found, place, dialect)) < place:
        for at in range(begin, place):
            found[at] = replace(found[at], test=test)
        place = begin


def _begin_of_mark(found: Sequence[SideLine], end: int, dialect: Dialect) -> int:
    """Return where the mark or comment begins that ends before `end`, else `end`.

    A decorator with arguments may stand over several lines.
    """
    if _is_mark(found[end - 1], dialect):
        return end - 1
    open_brackets = 0
    for at in range(end - 1, max(-1, end - 1 - _MARK_LINES), -1):
        text = found[at].text
        if found[at].defines:
            break
        open_brackets += len(_CLOSING.findall(text)) - len(_OPENING.findall(text))
        if open_brackets <= 0:
            return at if at < end - 1 and dialect.mark.match(text) else end
    return end


_MARK_LINES = 40
_OPENING, _CLOSING = re.compile(r"[(\[{]"), re.compile(r"[)\]}]")


def _is_mark(line: SideLine, dialect: Dialect) -> bool:
    if line.defines:
        return False
    return bool(dialect.mark.match(line.text) or dialect.comment.match(line.text))


def defined_tests(lines: Iterable[SideLine]) -> Counter[str]:
    """Return how often each test is defined in these lines."""
    return Counter(line.test.name for line in lines if line.defines and line.test.name)


def summarise(
    files: Sequence[tuple[FileDiff, Dialect]], collected: frozenset[str]
) -> WholeChange:
    """Return what the change as a whole removes and adds.

    Args:
        files: The files that may hold tests.
        collected: The paths where a test runner looks. What is added elsewhere does
            not count as moved: there, a test is gone.
    """
    removed, added = Counter[str](), Counter[str]()
    before, after = Counter[str](), Counter[str]()
    for diff, dialect in files:
        for hunk in diff.hunks:
            old = lines_of(hunk, dialect, "removed")
            removed.update(_texts(old, "removed"))
            before.update(defined_tests(old))
            if diff.path in collected:
                new = lines_of(hunk, dialect, "added")
                added.update(_texts(new, "added"))
                after.update(defined_tests(new))
    return WholeChange(added & removed, before, after)


def _texts(lines: Iterable[SideLine], side: Side) -> list[str]:
    return [normalised(line.text) for line in lines if line.kind == side]


def normalised(text: str) -> str:
    """Return a line as it is compared with others.

    White space, the kind of quotes and a comma at its end do not matter.
    """
    return re.sub(r"\s+", " ", text.rstrip(",;").replace("'", '"'))
