"""Tell an edited expectation that the task asks for from one that bends the proof.

A task may change what a function returns, and with it what a test expects. The agent
cannot choose the words of the task, and a test that failed on the base is what the work
is measured by, so its expectation is never asked for.
"""

import re
from collections.abc import Collection, Iterable, Sequence
from itertools import chain

from aideator.changes.diff import FileDiff
from aideator.domain.verdict import Flag
from aideator.flags.assertions import literals
from aideator.flags.excerpts import MAX_LINES

_EDITED = re.compile(
    r"The existing test `([^`]+)` (?:expects something else|has another value) than"
)
"""What is said of a test that asks for as much as before, but for something else."""


def mark_asked_for(
    flags: Iterable[Flag],
    files: Sequence[FileDiff],
    task: str,
    failing: Collection[str],
) -> list[Flag]:
    """Return the flags; those of edits that the task asks for are marked so.

    Args:
        flags: What was found.
        files: The change.
        task: The words of the task; empty where nothing can be asked for.
        failing: Names of the tests that failed on the base.
    """
    by_path = {diff.path: diff for diff in files}
    return [
        flag.model_copy(update={"asked_for": True})
        if task and _is_asked_for(flag, by_path.get(flag.path), task, failing)
        else flag
        for flag in flags
    ]


def _is_asked_for(
    flag: Flag, diff: FileDiff | None, task: str, failing: Collection[str]
) -> bool:
    named = _EDITED.match(flag.message)
    if named is None or named[1] in failing:
        return False
    if re.search(rf"\b{re.escape(named[1])}\b", task):
        return True
    wanted = _new_values(flag, diff)
    return bool(wanted) and all(_says(task, value) for value in wanted)


def _new_values(flag: Flag, diff: FileDiff | None) -> set[str]:
    """Return the values that the flagged lines have and no removed line had."""
    shown = flag.excerpt.split("\n")
    if diff is None or flag.hunk is None or len(shown) >= MAX_LINES:
        return set()
    added = [text[1:].strip() for text in shown if text.startswith("+")]
    hunk = diff.hunks[flag.hunk]
    removed = [line.text for line in hunk.lines if line.kind == "removed"]
    return _values(added) - _values(removed)


def _values(lines: Iterable[str]) -> set[str]:
    return set(chain.from_iterable(map(literals, lines)))


def _says(task: str, value: str) -> bool:
    return bool(value) and bool(
        re.search(rf"(?<![\w.]){re.escape(value)}(?![\w]|\.\d)", task)
    )
