"""Flag what a diff does to tests that were there before.

It may delete them, switch them off, or make them ask for less. The diff is read as
text, line by line with a few lines around each change, since the tree itself is hostile
and no parser for every language is at hand. New tests are never held against a change,
nor are tests that only move: what is removed in one place and added in another, word
for word, is left out first.
"""

import re
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, groupby, islice

from aideator.changes.diff import FileDiff
from aideator.domain.verdict import Flag, FlagKind
from aideator.flags.assertions import (
    is_bare_value,
    is_case,
    literals,
    skeleton,
    strength,
    weakening,
    without_noise,
)
from aideator.flags.dialects import Dialect
from aideator.flags.excerpts import excerpt_of
from aideator.flags.hunk_lines import (
    SideLine,
    WholeChange,
    defined_tests,
    lines_of,
    normalised,
    summarise,
    test_around,
)

_NOTHING = re.compile(r"(?:pass|\.\.\.|return(?: None)?;?)$")
_INDIFFERENT = re.compile(
    r"(?:import|from|use|#include|require|package)\b"
    r"|.*\b(?:sleep|import|require)\b|\W*$"
)
"""Lines that ask for nothing."""
_WINDOW = 50
"""Lines in which the successor of a removed line is looked for, so that a long change
takes no quadratic time. One that stands farther off is not found, and the line counts
as lost."""


@dataclass(frozen=True)
class _TestHunk:
    """One hunk, with what is needed to judge it."""

    dialect: Dialect
    whole: WholeChange
    old: list[SideLine]
    new: list[SideLine]
    added_literals: Mapping[str, list[str]]
    """By literal: the first lines with it that the file's diff adds."""
    strongest: int
    """The strength of the strongest assertion that the file's diff adds, else -1."""
    only_tests: bool
    """Whether there is nothing but tests here; elsewhere, only what stands in a test is
    looked at."""


Complaint = tuple[FlagKind, str, SideLine]
"""A kind of flag, what happened, and the line that shows it."""


def flag_test_changes(
    files: Sequence[tuple[FileDiff, Dialect]],
    *,
    collected: frozenset[str],
    only_tests: frozenset[str],
) -> Iterator[Flag]:
    """Flag what the files' diffs do to tests that were there before.

    Args:
        files: Those that may hold tests.
        collected: The paths of those where a test runner looks; a test that moves
            elsewhere is gone.
        only_tests: The paths of those that hold nothing but tests.
    """
    whole = summarise(files, collected)
    for diff, dialect in files:
        hunks = _hunks(diff, dialect, whole, only_tests=diff.path in only_tests)
        for number, hunk in enumerate(hunks):
            yield from _flags(diff, number, _complaints(hunk))


def _hunks(
    diff: FileDiff, dialect: Dialect, whole: WholeChange, *, only_tests: bool
) -> list[_TestHunk]:
    new_file = diff.status == "added"
    old = [lines_of(hunk, dialect, "removed") for hunk in diff.hunks]
    new = [lines_of(hunk, dialect, "added", new_file=new_file) for hunk in diff.hunks]
    added = [
        line.text
        for line in chain.from_iterable(new)
        if line.kind == "added" and not dialect.comment.match(line.text)
    ]
    strengths = [strength(text) for text in added if dialect.assertion.search(text)]
    # Once for all hunks: a diff of n hunks would else be read n times.
    added_literals = _by_literal(added)
    strongest = max(strengths, default=-1)
    return [
        _TestHunk(
            dialect=dialect,
            whole=whole,
            old=old[number],
            new=new[number],
            added_literals=added_literals,
            strongest=strongest,
            only_tests=only_tests or bool(test_around(hunk, dialect)),
        )
        for number, hunk in enumerate(diff.hunks)
    ]


def _by_literal(lines: Iterable[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in lines:
        for value in literals(line):
            with_value = found.setdefault(value, [])
            if len(with_value) < _WINDOW:
                with_value.append(line)
    return found


def _flags(
    diff: FileDiff, number: int, complaints: Iterable[Complaint]
) -> Iterator[Flag]:
    """Yield one flag for each kind of complaint about a hunk, with its lines."""
    telling: dict[tuple[FlagKind, str], list[SideLine]] = {}
    for kind, message, line in complaints:
        telling.setdefault((kind, message), []).append(line)
    lines = diff.hunks[number].lines
    for (kind, message), found in telling.items():
        excerpt = excerpt_of(
            (lines[line.at].kind, lines[line.at].text) for line in found
        )
        yield Flag(
            kind=kind, path=diff.path, hunk=number, excerpt=excerpt, message=message
        )


def _complaints(hunk: _TestHunk) -> Iterator[Complaint]:
    deleted = _deleted(hunk)
    for line in hunk.old:
        if line.defines and line.test.name in deleted:
            message = f"The test `{line.test.name}` is gone."
            yield FlagKind.DELETED_TEST, message, line
    yield from _switched_off(hunk)
    yield from _stepped_around(hunk)
    yield from _weakened(hunk, deleted)


def _deleted(hunk: _TestHunk) -> set[str]:
    """Return tests that the change no longer defines, nor renames in their place."""
    before, after = hunk.whole.tests_before, hunk.whole.tests_after
    lost = defined_tests(hunk.old) - defined_tests(hunk.new)
    gone = {name for name in lost if before[name] > after[name]}
    for removed, added in _blocks(hunk, with_moved=True):
        old = sorted(gone.intersection(defined_tests(removed)))
        new = [name for name in defined_tests(added) if not before[name]]
        gone.difference_update(old[: len(new)])  # renamed
    return gone


def _stood_before(hunk: _TestHunk, line: SideLine) -> bool:
    """Return whether a line of the new side stands in a test that was there before.

    As far as the diff can tell.
    """
    if not line.test.name and not hunk.only_tests:
        return False
    return not line.test.new or hunk.whole.tests_before[line.test.name] > 0


def _new_lines(hunk: _TestHunk) -> Iterator[SideLine]:
    """Yield the lines that are added and not only moved, without comments."""
    for line in hunk.new:
        is_new = line.kind == "added" and not hunk.whole.moved[normalised(line.text)]
        if is_new and not hunk.dialect.comment.match(line.text):
            yield line


def _switched_off(hunk: _TestHunk) -> Iterator[Complaint]:
    for line in _new_lines(hunk):
        if hunk.dialect.focus.search(line.text):
            message = "Only some tests run: the others are switched off."
            yield FlagKind.SKIPPED_TEST, message, line
        elif hunk.dialect.skip.search(line.text) and _stood_before(hunk, line):
            message = f"{_which(line)} is skipped, or may fail."
            yield FlagKind.SKIPPED_TEST, message, line


def _stepped_around(hunk: _TestHunk) -> Iterator[Complaint]:
    last_assertion = {
        line.test: line.at
        for line in hunk.new
        if hunk.dialect.assertion.search(line.text)
    }
    for line in _new_lines(hunk):
        swallows = hunk.dialect.swallow.search(line.text)
        hides = _hides(hunk, line, last_assertion.get(line.test, -1))
        if swallows and hides and _stood_before(hunk, line):
            message = f"{_which(line)} does not let its failures through."
            yield FlagKind.WEAKENED_TEST, message, line


def _hides(hunk: _TestHunk, line: SideLine, last_assertion: int) -> bool:
    """Return whether there is something that a line can step around.

    A return hides only assertions that come after it, or what the diff does not show of
    the test.
    """
    if line.text.startswith("return"):
        return last_assertion > line.at or _goes_on_unseen(hunk, line)
    return last_assertion >= 0


def _goes_on_unseen(hunk: _TestHunk, line: SideLine) -> bool:
    """Return whether the test that a line stands in goes on below the hunk."""
    return bool(line.test.name) and hunk.new[-1].test == line.test


def _blocks(
    hunk: _TestHunk, *, with_moved: bool = False
) -> Iterator[tuple[list[SideLine], list[SideLine]]]:
    """Yield lines that were changed together: what was removed, and what came instead.

    Args:
        hunk: The hunk.
        with_moved: Whether to keep lines that only moved.
    """

    def keeps(line: SideLine) -> bool:
        moved = hunk.whole.moved[normalised(line.text)]
        return with_moved or not moved

    old, new = _changed(hunk.old), _changed(hunk.new)
    # Neighbours have the same difference between their place and their rank.
    changed = enumerate(sorted(old | new))
    for _, run in groupby(changed, key=lambda pair: pair[1] - pair[0]):
        places = [at for _, at in run]
        yield (
            [old[at] for at in places if at in old and keeps(old[at])],
            [new[at] for at in places if at in new and keeps(new[at])],
        )


def _changed(lines: Iterable[SideLine]) -> dict[int, SideLine]:
    return {line.at: line for line in lines if line.kind != "context"}


def _weakened(hunk: _TestHunk, deleted: set[str]) -> Iterator[Complaint]:
    for removed, added in _blocks(hunk):
        if _noiseless(removed) == _noiseless(added):
            continue
        telling = [
            line
            for line in removed
            if line.test.name not in deleted and _asks_for_something(hunk, line)
        ]
        losses = _losses(hunk, telling, added)
        if not losses and telling and _is_emptied(added):
            losses = [("is emptied", telling[0])]
        for what, line in losses:
            yield FlagKind.WEAKENED_TEST, f"{_which(line)} {what}.", line


def _asks_for_something(hunk: _TestHunk, line: SideLine) -> bool:
    """Return whether a removed line can be part of what a test asks for."""
    if not line.text or line.defines or line.prose:
        return False
    if hunk.dialect.comment.match(line.text) or _INDIFFERENT.match(line.text):
        return False
    return bool(line.test.name) or hunk.only_tests


def _is_emptied(added: Sequence[SideLine]) -> bool:
    return bool(added) and all(_NOTHING.match(line.text) for line in added)


Loss = tuple[str, SideLine]
"""How a test asks for less, as a verb phrase, and the line that shows it."""


def _losses(
    hunk: _TestHunk, removed: Iterable[SideLine], added: Iterable[SideLine]
) -> list[Loss]:
    """Return the losses of a block; each added line replaces one removed line."""
    spare = deque(line for line in added if not hunk.dialect.comment.match(line.text))
    losses: list[Loss] = []
    for line in removed:
        is_assertion = hunk.dialect.assertion.search(line.text)
        loss = (
            _lost_assertion(hunk, line, spare)
            if is_assertion
            else _lost_value(line, spare)
        )
        if loss:
            losses.append(loss)
    return losses


def _lost_assertion(
    hunk: _TestHunk, line: SideLine, spare: deque[SideLine]
) -> Loss | None:
    """Return what a removed assertion lost; take its successor out of the spare."""
    near = islice(spare, _WINDOW)
    successors = [each for each in near if hunk.dialect.assertion.search(each.text)]
    for successor in successors:
        if not weakening(line.text, successor.text):
            spare.remove(successor)
            return None
    if _is_in_a_table(hunk, line):
        return None
    if not successors:
        return "loses an assertion", line
    spare.remove(successors[0])
    return weakening(line.text, successors[0].text), successors[0]


def _is_in_a_table(hunk: _TestHunk, line: SideLine) -> bool:
    """Return whether an assertion lives on as a row of a table of cases.

    An assertion that is as strong has to read the table.
    """
    asked = literals(line.text)
    if not asked or hunk.strongest < strength(line.text):
        return False
    rows = min((hunk.added_literals.get(each, []) for each in asked), key=len)
    return any(asked <= literals(row) and _keeps(hunk, line, row) for row in rows)


def _keeps(hunk: _TestHunk, line: SideLine, row: str) -> bool:
    """Return whether an added line that is itself an assertion asks for as much."""
    is_assertion = hunk.dialect.assertion.search(row)
    return not is_assertion or not weakening(line.text, row)


def _lost_value(line: SideLine, spare: deque[SideLine]) -> Loss | None:
    """Return what a removed line other than an assertion lost; as above."""
    asked = literals(line.text)
    if not asked or _is_docstring(line.text) or is_bare_value(line.text):
        return None
    near = [*islice(spare, _WINDOW)]
    own = skeleton(line.text)
    twins = [each for each in near if skeleton(each.text) == own]
    if twins:
        # A twin with the same values comes first, if there is one.
        successor = min(twins, key=lambda twin: literals(twin.text) != asked)
        spare.remove(successor)
        if literals(successor.text) == asked:
            return None
        return "has another value than before", successor
    is_kept = any(asked <= literals(each.text) for each in near)
    return ("loses a case", line) if is_case(line.text) and not is_kept else None


def _is_docstring(text: str) -> bool:
    return '"""' in text or "'''" in text


def _noiseless(lines: Iterable[SideLine]) -> str:
    return without_noise("".join(line.text for line in lines))


def _which(line: SideLine) -> str:
    if line.test.name:
        return f"The existing test `{line.test.name}`"
    return "An existing test"
