"""Flag places of a change that may bend what proves it, rather than do the work.

A flag accuses nobody. A task may well be to change a test or the CI; the flag makes
sure that somebody looks. New tests are welcome and never flagged. Precision and recall
on planted changes: `bench/tamper.py`.
"""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import cache
from itertools import islice

from aideator.changes.diff import FileDiff, Hunk
from aideator.checks.test_files import is_test
from aideator.domain.check import Check
from aideator.domain.verdict import Flag, FlagKind
from aideator.flags.asked_for import mark_asked_for
from aideator.flags.commands import CheckCommands, parse_commands
from aideator.flags.dialects import Dialect, dialect_of
from aideator.flags.excerpts import LINE_LIMIT, ChangedLine, excerpt_of
from aideator.flags.patterns import (
    ACTION,
    CI,
    CONFTEST,
    SECRET,
    SECTION,
    SHADOW,
    SHARED_CONFIG,
    SNAPSHOT,
    TEST_CONFIG,
    TEST_DETECTION,
    TEST_KEY,
    TEST_SECTION,
    TESTS_OFF,
)
from aideator.flags.test_diff import flag_test_changes

MAX_FLAGS = 50
"""Flags that are kept of one change. More would tell a person nothing new."""


def find_flags(
    files: Sequence[FileDiff],
    *,
    checks: Sequence[Check],
    protected: Sequence[str],
    test_files: Collection[str] = (),
    task: str = "",
    failing: Collection[str] = (),
) -> tuple[Flag, ...]:
    """Return what a person should look at before this change can be recommended.

    Args:
        files: The change, as `changes.diff.parse` reads it.
        checks: Those in force; what their commands run must not be edited unseen.
        protected: Globs of paths that a change must leave alone. A folder stands for
            all that is in it.
        test_files: Files that are known to hold tests, whatever their names.
        task: The words of the task, which may ask for another expectation.
        failing: Names of the tests that failed on the base.
    """
    commands = parse_commands(checks)
    flags: list[Flag] = []
    for diff in files:
        flags += _flags_of_file(diff, protected)
        flags += _flags_of_commands(diff, commands)
        for number, hunk in enumerate(diff.hunks):
            flags += _flags_of_hunk(diff, number, hunk, commands)
    flags += _flags_of_tests(files, test_files)
    found = [*islice(_unique(flags), MAX_FLAGS)]
    return tuple(mark_asked_for(found, files, task, failing))


def _unique(flags: Iterable[Flag]) -> Iterator[Flag]:
    seen: set[tuple[FlagKind, str, int | None, str]] = set()
    for flag in flags:
        key = (flag.kind, flag.path, flag.hunk, flag.message)
        if key not in seen:
            seen.add(key)
            yield flag


def _flags_of_tests(
    files: Sequence[FileDiff], test_files: Collection[str]
) -> Iterator[Flag]:
    with_tests: list[tuple[FileDiff, Dialect]] = []
    for diff in files:
        dialect = _dialect_of_tests(diff.path, test_files)
        if dialect is not None and not diff.binary:
            with_tests.append((diff, dialect))
    paths = [diff.path for diff, _ in with_tests]
    return flag_test_changes(
        with_tests,
        collected=frozenset(path for path in paths if _is_collected(path)),
        only_tests=frozenset(path for path in paths if is_test(path)),
    )


def _dialect_of_tests(path: str, test_files: Collection[str]) -> Dialect | None:
    """Return the dialect of a file that may hold tests.

    Rust keeps them beside the code.
    """
    may_hold_tests = is_test(path) or path in test_files or path.endswith(".rs")
    return dialect_of(path) if may_hold_tests else None


def _is_collected(path: str) -> bool:
    """Return whether a runner looks for tests here by default.

    pytest and unittest go by the name of the file, not by its folder.
    """
    name = path.rpartition("/")[2]
    if not name.endswith(".py"):
        return True
    return name.startswith("test") or name.endswith(("_test.py", "tests.py"))


def _flags_of_file(diff: FileDiff, protected: Sequence[str]) -> Iterator[Flag]:
    """Yield flags for the part that a file plays, by its path."""
    path = diff.path
    if any(_glob(pattern).match(path) for pattern in protected):
        yield _whole_file(FlagKind.PROTECTED_PATH, diff, "This path is protected.")
    if path == ".aideator.toml":
        message = "The repository's own word on setup, checks and protected paths."
        yield _whole_file(FlagKind.CHECK_COMMAND, diff, message)
    if CI.search(path) and not _only_pins_actions(diff):
        message = "What runs in continuous integration was changed."
        yield _whole_file(FlagKind.CI_CONFIG, diff, message)
    elif TEST_CONFIG.search(path) or SHADOW.search(path):
        message = "It configures how tests are found and run, or stands in for that."
        yield _whole_file(FlagKind.TEST_CONFIG, diff, message)
    if SNAPSHOT.search(path) and _replaces_content(diff):
        message = "What tests compare with was rewritten."
        yield _whole_file(FlagKind.SNAPSHOT, diff, message)


def _only_pins_actions(diff: FileDiff) -> bool:
    """Return whether nothing changes but the versions of actions that CI uses."""
    before, after = Counter[str](), Counter[str]()
    for hunk in diff.hunks:
        for kind, text in _changed_lines(hunk):
            action = ACTION.match(text)
            if action is None:
                return False
            (before if kind == "removed" else after)[action[1]] += 1
    return bool(diff.hunks) and before == after


def _flags_of_commands(diff: FileDiff, commands: CheckCommands) -> Iterator[Flag]:
    if commands.run_file(diff.path) and not is_test(diff.path):
        message = "A check's own command runs this file."
        yield _whole_file(FlagKind.CHECK_COMMAND, diff, message)


def _flags_of_hunk(
    diff: FileDiff, number: int, hunk: Hunk, commands: CheckCommands
) -> Iterator[Flag]:
    """Yield flags for the lines of one hunk, by their content."""
    secrets = _secrets(hunk)
    detections = [] if is_test(diff.path) else _test_detections(hunk)
    found = (
        (FlagKind.SECRET, secrets, "It adds what looks like a key or password."),
        (
            FlagKind.TEST_CONFIG,
            detections,
            "The code finds out whether it is being tested.",
        ),
        (
            FlagKind.TEST_CONFIG,
            list(_config_lines(diff.path, hunk)),
            "It configures how tests are found and run.",
        ),
        (
            FlagKind.CHECK_COMMAND,
            list(commands.changed_lines(diff.path, hunk)),
            "A check's own command runs this.",
        ),
    )
    for kind, lines, message in found:
        if lines:
            yield _flag(kind, diff, number, excerpt_of(lines), message)


def _secrets(hunk: Hunk) -> list[ChangedLine]:
    """Return the added lines with a secret, which is blanked out.

    Providers mark the keys of their documentation by the word EXAMPLE.
    """
    return [
        (kind, SECRET.sub("[secret]", text))
        for kind, text in _changed_lines(hunk)
        if kind == "added" and SECRET.search(text) and "EXAMPLE" not in text
    ]


def _test_detections(hunk: Hunk) -> list[ChangedLine]:
    return [
        (kind, text)
        for kind, text in _changed_lines(hunk)
        if kind == "added" and TEST_DETECTION.search(text)
    ]


def _changed_lines(hunk: Hunk) -> Iterator[ChangedLine]:
    for line in hunk.lines:
        if line.kind != "context":
            yield line.kind, line.text.strip()[:LINE_LIMIT]


def _replaces_content(diff: FileDiff) -> bool:
    """Return whether a file that was there before loses lines, or is binary."""
    if diff.status == "added":
        return False
    return diff.binary or any(map(_removes_text, diff.hunks))


def _removes_text(hunk: Hunk) -> bool:
    return any(kind == "removed" and text for kind, text in _changed_lines(hunk))


def _config_lines(path: str, hunk: Hunk) -> Iterator[ChangedLine]:
    """Yield the changed lines of a hunk that say how tests are found and run."""
    if path.rpartition("/")[2] == "conftest.py":
        # A new fixture is as welcome as a new test; what reaches into the run, or
        # replaces what was there, is not.
        for kind, text in _changed_lines(hunk):
            if kind == "removed" or CONFTEST.search(text):
                yield kind, text
    elif SHARED_CONFIG.search(path):
        yield from _shared_config_lines(path, hunk)


def _shared_config_lines(path: str, hunk: Hunk) -> Iterator[ChangedLine]:
    heading = SECTION.match(hunk.heading)
    section = heading[1] if heading else ""
    for line in hunk.lines:
        text = line.text.strip()[:LINE_LIMIT]
        if header := SECTION.match(text):
            section = header[1]
        if line.kind != "context" and text and _is_about_tests(path, section, text):
            yield line.kind, text


def _is_about_tests(path: str, section: str, text: str) -> bool:
    """Return whether a line of a shared configuration file configures tests.

    Args:
        path: The file. In TOML, the section decides where it is known.
        section: The name of the section that the line stands in, if the diff shows it.
        text: The line.
    """
    if TESTS_OFF.match(text) or (section and TEST_SECTION.search(section)):
        return True
    in_other_section = section and path.endswith(".toml")
    return not in_other_section and bool(TEST_KEY.search(text))


def _whole_file(kind: FlagKind, diff: FileDiff, message: str) -> Flag:
    """Return a flag for the file as a whole, with its first changed lines."""
    lines = _changed_lines(diff.hunks[0]) if diff.hunks else ()
    return _flag(kind, diff, None, SECRET.sub("[secret]", excerpt_of(lines)), message)


def _flag(
    kind: FlagKind, diff: FileDiff, hunk: int | None, excerpt: str, message: str
) -> Flag:
    return Flag(kind=kind, path=diff.path, hunk=hunk, excerpt=excerpt, message=message)


@cache
def _glob(pattern: str) -> re.Pattern[str]:
    """Return a glob as a pattern.

    `**` crosses folders, `*` and `?` do not; a folder holds all that is below it.
    """
    text = pattern.strip().removeprefix("./").removesuffix("/")
    wild = {"**/": r"(?:.*/)?", "**": r".*", "*": r"[^/]*", "?": r"[^/]"}
    parts = re.split(r"(\*\*/|\*\*|\*|\?)", text)
    expression = "".join(wild.get(part, re.escape(part)) for part in parts)
    return re.compile(expression + r"(?:/.*)?$", re.DOTALL)
