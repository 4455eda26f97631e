"""What a diff does to tests that were there before: deleted, switched off, made to ask less.

It reads a diff as text, line by line with a few lines around each change, since the
tree itself is hostile and no parser for every language is at hand. New tests are never
held against a change, nor are tests that only move: what is removed in one place and
added in another, word for word, is left out first.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Literal, NamedTuple

from aideator.changes.diff import FileDiff, Hunk
from aideator.domain.verdict import Flag, FlagKind
from aideator.flags.dialects import (
    BROAD,
    EQUALITY,
    LOOSE,
    NEGATION,
    TRIVIAL,
    Dialect,
    named,
)

LINE_LIMIT = 400
"""Characters of a line that are looked at: patterns take quadratic time at worst, and
no test reads longer."""

TELLING = 6
"""Lines of an excerpt."""

_LITERAL = re.compile(
    r"\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'|`[^`]*`|\b\d[\w.]*|\b(?:True|False|None|true|false|null|nil|undefined)\b"
)
_MESSAGE = re.compile(
    r"^(assert\b.*),\s*f?(?:\"[^\"]*\"|'[^']*')$|^[tbf]\.(?:Error|Fatal|Log)f?\(.*"
)
"""What is only said when an assertion fails."""
_NOISE = re.compile(r"[\s\"'`()\[\]{},;\\]")
_CASE = re.compile(
    r"\([^()]*(?:\([^()]*\)[^()]*)*\),?$|\[[^\[\]]*(?:\[[^\[\]]*\][^\[\]]*)*\],?$|\{[^{}]*(?:\{[^{}]*\}[^{}]*)*\},?$"
    r"|(?:pytest\.)?param\(.*\),?$|([\"']).*\1,$"
)
"""A row of a table of test cases."""
_NOTHING = re.compile(r"(?:pass|\.\.\.|return(?: None)?;?)$")
_INDIFFERENT = re.compile(
    r"(?:import|from|use|#include|require|package)\b|.*\b(?:sleep|import|require)\b|\W*$"
)
Side = Literal["added", "removed"]


class Test(NamedTuple):
    """A test, or another definition, in which a line stands."""

    name: str
    """Empty for what is no test."""
    new: bool
    """Whether its definition comes with the change."""


@dataclass(frozen=True)
class Row:
    """A line as it stands on one side of the change."""

    at: int
    """Its place among the lines of the hunk."""
    kind: Literal["context", "added", "removed"]
    text: str
    """Without indentation."""
    test: Test
    defines: bool = False


class Moves(NamedTuple):
    """What the whole change removes in one place and adds in another."""

    lines: Counter[str]
    before: Counter[str]
    """Tests defined on the old side, as far as the diff shows them."""
    after: Counter[str]


@dataclass(frozen=True)
class Reading:
    """One hunk with what is needed to understand it."""

    dialect: Dialect
    moves: Moves
    old: list[Row]
    new: list[Row]
    cases: list[Counter[str]]
    """The literals of each line that the file's diff adds."""
    strongest: int
    """The strength of the strongest assertion that it adds."""
    only_tests: bool
    """Whether there is nothing but tests here; elsewhere, only what stands in a test is
    looked at."""


Complaint = tuple[FlagKind, str, Row]


def find(
    files: Sequence[tuple[FileDiff, Dialect]],
    seen: frozenset[str],
    tests: frozenset[str],
) -> Iterator[Flag]:
    """Flag what the files' diffs do to tests that were there before.

    Args:
        files: those that may hold tests.
        seen: the paths of those where a test runner looks; a test that moves elsewhere
            is gone.
        tests: the paths of those that hold nothing but tests.
    """
    moves = _moves(files, seen)
    for diff, dialect in files:
        sides = [
            (
                _rows(hunk, dialect, "removed"),
                _rows(hunk, dialect, "added", fresh=diff.status == "added"),
            )
            for hunk in diff.hunks
        ]
        added = [
            row
            for _, new in sides
            for row in new
            if row.kind == "added" and not dialect.comment.match(row.text)
        ]
        cases = [_literals(row.text) for row in added]
        strongest = max(
            (
                _strength(row.text)
                for row in added
                if dialect.assertion.search(row.text)
            ),
            default=-1,
        )
        for number, (old, new) in enumerate(sides):
            only_tests = diff.path in tests or bool(
                _around(diff.hunks[number], dialect)
            )
            reading = Reading(dialect, moves, old, new, cases, strongest, only_tests)
            yield from _flags(diff, number, _complaints(reading))


def _flags(
    diff: FileDiff, number: int, complaints: Iterable[Complaint]
) -> Iterator[Flag]:
    """One flag for each kind of complaint about a hunk, with the lines that tell it."""
    telling: dict[tuple[FlagKind, str], list[Row]] = {}
    for kind, message, row in complaints:
        telling.setdefault((kind, message), []).append(row)
    lines = diff.hunks[number].lines
    for (kind, message), rows in telling.items():
        excerpt = excerpt_of((lines[row.at].kind, lines[row.at].text) for row in rows)
        yield Flag(
            kind=kind, path=diff.path, hunk=number, excerpt=excerpt, message=message
        )


def excerpt_of(lines: Iterable[tuple[str, str]]) -> str:
    """The first lines, each with its mark and of bounded length."""
    marks = {"context": " ", "added": "+", "removed": "-"}
    return "\n".join(marks[kind] + text[:200] for kind, text in [*lines][:TELLING])


def _rows(
    hunk: Hunk, dialect: Dialect, side: Side, *, fresh: bool = False
) -> list[Row]:
    """The lines of one side of a hunk, each with the test that it stands in."""
    current = Test(_around(hunk, dialect), new=fresh)
    found: list[Row] = []
    announced = False  # by an attribute such as #[test], with the name to come
    for at, line in enumerate(hunk.lines):
        if line.kind not in {"context", side}:
            continue
        text = line.text.strip()[:LINE_LIMIT]
        name, function = named(dialect.test, text), named(dialect.function, text)
        if name or function is not None:
            current = Test(
                name or (function if announced else "") or "", new=line.kind == side
            )
            found = _with_marks(found, current, dialect)
        found.append(
            Row(
                at, line.kind, text, current, defines=bool(name) or function is not None
            )
        )
        announced = name == "" or (announced and function is None)
    return found


def _around(hunk: Hunk, dialect: Dialect) -> str:
    """The test, or group of tests, that the hunk begins in."""
    return named(dialect.test, hunk.heading.strip()) or ""


def _with_marks(found: list[Row], test: Test, dialect: Dialect) -> list[Row]:
    """Give the decorators, attributes and comments right above a definition to it."""
    keep = len(found)
    while keep and (
        dialect.mark.match(found[keep - 1].text)
        or dialect.comment.match(found[keep - 1].text)
    ):
        keep -= 1
    return [*found[:keep], *(replace(row, test=test) for row in found[keep:])]


def _normal(text: str) -> str:
    """A line as it is compared with others: white space and quotes do not matter."""
    return re.sub(r"\s+", " ", text.rstrip(",;").replace("'", '"'))


def _moves(files: Sequence[tuple[FileDiff, Dialect]], seen: frozenset[str]) -> Moves:
    lines: dict[Side, Counter[str]] = {"added": Counter(), "removed": Counter()}
    tests: dict[Side, Counter[str]] = {"added": Counter(), "removed": Counter()}
    sides: tuple[Side, Side] = ("removed", "added")
    for diff, dialect in files:
        for side in sides if diff.path in seen else sides[:1]:
            for row in (
                row for hunk in diff.hunks for row in _rows(hunk, dialect, side)
            ):
                if row.kind == side:
                    lines[side][_normal(row.text)] += 1
                if row.defines and row.test.name:
                    tests[side][row.test.name] += 1
    return Moves(lines["added"] & lines["removed"], tests["removed"], tests["added"])


def _complaints(reading: Reading) -> list[Complaint]:
    deleted = _deleted(reading)
    gone = [
        (FlagKind.DELETED_TEST, f"The test `{row.test.name}` is gone.", row)
        for row in reading.old
        if row.defines and row.test.name in deleted
    ]
    return [
        *gone,
        *_switched_off(reading),
        *_stepped_around(reading),
        *_weakened(reading, deleted),
    ]


def _deleted(reading: Reading) -> set[str]:
    """Tests that no side of the change defines any more, and that were not merely renamed in their place."""
    before = Counter(
        row.test.name for row in reading.old if row.defines and row.test.name
    )
    after = Counter(
        row.test.name for row in reading.new if row.defines and row.test.name
    )
    moves = reading.moves
    gone = [name for name in before - after if moves.before[name] > moves.after[name]]
    renamed = 0
    for removed, added in _blocks(reading, moved=True):
        old = {row.test.name for row in removed if row.defines}.intersection(gone)
        new = {
            row.test.name
            for row in added
            if row.defines and row.test.name and not moves.before[row.test.name]
        }
        renamed = min(len(old), len(new))
        gone = [name for name in gone if name not in sorted(old)[:renamed]]
    return set(gone)


def _existing(reading: Reading, row: Row) -> bool:
    """Whether a line of the new side stands in a test that was there before, as far as the diff can tell."""
    if not row.test.name and not reading.only_tests:
        return False
    return not row.test.new or reading.moves.before[row.test.name] > 0


def _added(reading: Reading) -> Iterator[Row]:
    """The lines that are new, and no comment."""
    for row in reading.new:
        fresh = row.kind == "added" and not reading.moves.lines[_normal(row.text)]
        if fresh and not reading.dialect.comment.match(row.text):
            yield row


def _switched_off(reading: Reading) -> Iterator[Complaint]:
    for row in _added(reading):
        if reading.dialect.focus.search(row.text):
            yield (
                FlagKind.SKIPPED_TEST,
                "Only some tests run: the others are switched off.",
                row,
            )
        elif reading.dialect.skip.search(row.text) and _existing(reading, row):
            yield FlagKind.SKIPPED_TEST, f"{_which(row)} is skipped, or may fail.", row


def _stepped_around(reading: Reading) -> Iterator[Complaint]:
    asserting = [
        row for row in reading.new if reading.dialect.assertion.search(row.text)
    ]
    for row in _added(reading):
        if not reading.dialect.swallow.search(row.text) or not _existing(reading, row):
            continue
        leaves = row.text.startswith("return")
        if any(
            other.test == row.test and (not leaves or other.at > row.at)
            for other in asserting
        ):
            yield (
                FlagKind.WEAKENED_TEST,
                f"{_which(row)} does not let its failures through.",
                row,
            )


def _blocks(
    reading: Reading, *, moved: bool = False
) -> Iterator[tuple[list[Row], list[Row]]]:
    """Lines that were changed together: what was removed, and what came instead; without what only moved."""

    def keeps(row: Row) -> bool:
        return row.kind != "context" and (
            moved or not reading.moves.lines[_normal(row.text)]
        )

    changed = sorted(
        {row.at for row in (*reading.old, *reading.new) if row.kind != "context"}
    )
    for _, run in groupby(enumerate(changed), key=lambda pair: pair[1] - pair[0]):
        places = {at for _, at in run}
        yield (
            [row for row in reading.old if row.at in places and keeps(row)],
            [row for row in reading.new if row.at in places and keeps(row)],
        )


def _weakened(reading: Reading, deleted: set[str]) -> Iterator[Complaint]:
    for removed, added in _blocks(reading):
        if _noiseless(removed) == _noiseless(added):
            continue
        telling = [
            row
            for row in removed
            if _tells(reading, row) and row.test.name not in deleted
        ]
        spare = [row for row in added if not reading.dialect.comment.match(row.text)]
        found = [
            complaint for row in telling if (complaint := _lost(reading, row, spare))
        ]
        if (
            telling
            and not found
            and added
            and all(_NOTHING.match(row.text) for row in added)
        ):
            found = [("is emptied", telling[0])]
        yield from (
            (FlagKind.WEAKENED_TEST, f"{_which(row)} {what}.", row)
            for what, row in found
        )


def _tells(reading: Reading, row: Row) -> bool:
    """Whether a removed line can be part of what a test asks for."""
    plain = (
        row.text
        and not reading.dialect.comment.match(row.text)
        and not _INDIFFERENT.match(row.text)
    )
    return (
        bool(plain) and not row.defines and (bool(row.test.name) or reading.only_tests)
    )


def _lost(reading: Reading, row: Row, spare: list[Row]) -> tuple[str, Row] | None:
    """What became of a removed line; takes its successor out of the spare ones."""
    asserts = reading.dialect.assertion.search
    if not asserts(row.text):
        return _changed_value(row, spare)
    successors = [other for other in spare if asserts(other.text)]
    kept = next(
        (other for other in successors if not _says_less(row.text, other.text)), None
    )
    if kept:
        spare.remove(kept)
        return None
    if _in_a_table(reading, row):
        return None
    if not successors:
        return "loses an assertion", row
    spare.remove(successors[0])
    return _says_less(row.text, successors[0].text), successors[0]


def _in_a_table(reading: Reading, row: Row) -> bool:
    """Whether an assertion lives on as a row of a table of cases, with one as strong to read it."""
    asked = _literals(row.text)
    kept = any(asked <= case for case in reading.cases)
    return bool(asked) and kept and reading.strongest >= _strength(row.text)


def _changed_value(row: Row, spare: list[Row]) -> tuple[str, Row] | None:
    asked = _literals(row.text)
    alone = _skeleton(row.text) == "¤" and not row.text.endswith(",")
    if not asked or alone or '"""' in row.text or "'''" in row.text:
        return None
    twins = [other for other in spare if _skeleton(other.text) == _skeleton(row.text)]
    same = next((other for other in twins if _literals(other.text) == asked), None)
    if same or twins:
        spare.remove(same or twins[0])
        return None if same else ("has another value than before", twins[0])
    kept = any(asked <= _literals(other.text) for other in spare)
    return ("loses a case", row) if _CASE.match(row.text) and not kept else None


def _says_less(before: str, after: str) -> str:
    """How an assertion asks for less than the one that it replaces; empty when it does not."""
    if TRIVIAL.search(after) and not TRIVIAL.search(before):
        return "has an assertion that cannot fail"
    if _strength(after) < _strength(before) or len(BROAD.findall(after)) > len(
        BROAD.findall(before)
    ):
        return "has an assertion that says less than before"
    turned = len(NEGATION.findall(before)) != len(NEGATION.findall(after))
    if turned or not _literals(before) <= _literals(after):
        return "expects something else than before"
    return ""


def _strength(text: str) -> int:
    if TRIVIAL.search(text):
        return 0
    if EQUALITY.search(text):
        return 3
    return 1 if LOOSE.search(text) else 2


def _literals(text: str) -> Counter[str]:
    """The values that a line names, without what is only said when it fails."""
    said = _MESSAGE.sub(lambda found: found[1] or "", text)
    return Counter(literal.strip("\"'`") for literal in _LITERAL.findall(said))


def _skeleton(text: str) -> str:
    return _NOISE.sub("", _LITERAL.sub("¤", text))


def _noiseless(rows: Sequence[Row]) -> str:
    return _NOISE.sub("", "".join(row.text for row in rows))


def _which(row: Row) -> str:
    return (
        f"The existing test `{row.test.name}`" if row.test.name else "An existing test"
    )
