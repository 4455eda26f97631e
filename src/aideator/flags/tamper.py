"""Places of a change that need a person's word: it may have bent what is to prove it, rather than do the work.

A flag accuses nobody. A task may well be to change a test or the CI; the flag makes
sure that somebody looks. New tests are welcome and never flagged. Precision and recall
on planted changes: `bench/tamper.py`.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from itertools import islice

from aideator.changes.diff import FileDiff, Hunk
from aideator.checks.test_files import is_test
from aideator.domain.check import Check
from aideator.domain.verdict import Flag, FlagKind
from aideator.flags import test_diff as testdiff
from aideator.flags.commands import Called, called_by
from aideator.flags.dialects import Dialect, dialect_of
from aideator.flags.test_diff import LINE_LIMIT, excerpt_of

MOST = 50
"""Flags that are kept. Who has that many need not be told of more."""

_CI = re.compile(
    r"^(\.github/(workflows|actions)/|\.gitlab/ci/|\.circleci/|\.buildkite/|\.drone/|\.tekton/|\.woodpecker/|\.ci/"
    r"|\.forgejo/workflows/|\.gitea/workflows/)"
    r"|^(\.gitlab-ci|\.travis|appveyor|azure-pipelines|bitbucket-pipelines|\.cirrus|\.drone|cloudbuild|codecov|\.codecov"
    r"|\.pre-commit-config)\.ya?ml$"
    r"|^(Jenkinsfile|lefthook\.yml|\.husky/.*)$"
)
_CONFIG = re.compile(
    r"(^|/)(pytest\.ini|\.pytest\.ini|pytest\.toml|tox\.ini|\.coveragerc|noxfile\.py|(jest|vitest|vite|karma|playwright"
    r"|cypress|ava|mocha|wdio|nyc)\.(config|conf|setup|workspace)\.(js|cjs|mjs|ts|mts|json)|\.mocharc\.\w+|\.nycrc(\.json)?"
    r"|\.taprc|\.c8rc\.json|phpunit\.xml(\.dist)?|\.rspec|\.simplecov|nextest\.toml|testng\.xml|junit-platform\.properties"
    r"|sitecustomize\.py|usercustomize\.py|[^/]+\.pth)$"
)
_SHADOW = re.compile(
    r"^(src/)?(pytest|unittest|_pytest|pluggy|coverage|hypothesis|nose2?)(\.py$|/)|(^|/)node_modules/(\.bin/)?(jest|vitest|mocha)"
)
"""A file that stands in for the test runner."""

_SNAPSHOT = re.compile(
    r"(^|/)(__snapshots__|__image_snapshots__|snapshots|goldens?|approvals|cassettes)/|\.(snap|ambr|golden|approved\.\w+)$"
    r"|(^|/)testdata/.*\.(golden|want|out|expected)$|\.expected(\.\w+)?$",
    re.IGNORECASE,
)
_SECRET = re.compile(
    r"\b(AKIA|ASIA)[0-9A-Z]{16}\b|\bgh[pousr]_[A-Za-z0-9]{36,}|\bgithub_pat_\w{50,}|\bglpat-[\w-]{20,}|\bsk-ant-[\w-]{20,}"
    r"|\bsk-(proj-)?[A-Za-z0-9_-]{32,}|\bxox[abprs]-[\w-]{10,}|\bAIza[\w-]{35}|\b[rs]k_live_[A-Za-z0-9]{20,}"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----|\bnpm_[A-Za-z0-9]{36}\b|\bpypi-AgE[\w-]{50,}|\bhf_[A-Za-z0-9]{34}\b"
)
_DETECTS = re.compile(
    r"PYTEST_CURRENT_TEST|PYTEST_VERSION|[\"'](pytest|unittest)[\"'] in sys\.modules|JEST_WORKER_ID"
    r"|VITEST_WORKER_ID|process\.env\.VITEST|NODE_ENV\W+test\b|testing\.Testing\(\)|RSPEC|cfg!\(test\)"
)
"""Code that finds out whether it is being tested."""

_CONFTEST = re.compile(
    r"\bpytest_\w+|collect_ignore|autouse|monkeypatch|sys\.modules|_exit|skip|xfail|outcome|mock\b|setattr|__eq__|builtins"
)
_KEYS = re.compile(
    r"^[\"']?(addopts|testpaths|python_(files|classes|functions)|norecursedirs|filterwarnings|xfail_strict|collect_ignore\w*"
    r"|markers|usefixtures|required_plugins|omit|exclude_(lines|also)|fail_under|branch|test(PathIgnorePatterns|Match|Regex"
    r"|Environment|Timeout|NamePattern)|setupFiles\w*|coverageThreshold|moduleNameMapper|globalSetup|modulePathIgnorePatterns"
    r"|skipTests|skipITs|testFailureIgnore|maven\.test\.\w+|trimStackTrace|ignoreFailures|excludes?|groups|excludedGroups"
    r"|autotests|harness|doctest|jest|mocha|vitest|ava|nyc|c8)\b[\"']?\s*[:=]"
    r"|<(skipTests|skip|testFailureIgnore|excludes?|excludedGroups|groups|maven\.test\.\w+)>|\b(exclude|excludeTestsMatching"
    r"|useJUnitPlatform|ignoreFailures|enabled)\b.*(Test|true|false)"
)
_SECTION = re.compile(r"^\[+([^\]]+)\]+")
_TEST_SECTION = re.compile(
    r"pytest|coverage|tool:pytest|testenv|nose|unittest|\btest\b|tox|nox|mutmut"
)
_OFF = re.compile(r"^(test|doctest|harness|autotests)\s*=\s*false")
_SHARED = re.compile(
    r"(^|/)(pyproject\.toml|setup\.cfg|package\.json|Cargo\.toml|pom\.xml|build\.gradle(\.kts)?)$"
)
"""Files that configure tests among other things."""


def find_flags(
    files: Sequence[FileDiff],
    *,
    checks: Sequence[Check],
    protected: Sequence[str],
) -> tuple[Flag, ...]:
    """Find what a person should look at before this change can be recommended.

    Args:
        files: what the change does, as `workspace.diff.parse` reads it.
        checks: those in force; what their commands call is theirs alone.
        protected: globs of paths that a change must leave alone. A folder stands for
            all that is in it.
    """
    called = called_by(checks)
    found = (flag for diff in files for flag in _of_file(diff, called, protected))
    return tuple(islice(_unique([*found, *_of_tests(files)]), MOST))


def _unique(flags: Iterable[Flag]) -> Iterator[Flag]:
    seen: set[tuple[FlagKind, str, int | None, str]] = set()
    for flag in flags:
        key = (flag.kind, flag.path, flag.hunk, flag.message)
        if key not in seen:
            seen.add(key)
            yield flag


def _of_tests(files: Sequence[FileDiff]) -> Iterator[Flag]:
    known = [
        (diff, dialect)
        for diff in files
        if (dialect := _read_as_tests(diff.path)) and not diff.binary
    ]
    seen = frozenset(diff.path for diff, _ in known if _is_collected(diff.path))
    yield from testdiff.find(
        known,
        seen,
        frozenset(path for path in (d.path for d, _ in known) if is_test(path)),
    )


def _read_as_tests(path: str) -> Dialect | None:
    """The dialect of a file that may hold tests; Rust keeps them beside the code."""
    return dialect_of(path) if is_test(path) or path.endswith(".rs") else None


def _is_collected(path: str) -> bool:
    """Whether a runner looks for tests here, by its default.

    Python's needs a name, not only a folder.
    """
    name = path.rpartition("/")[2]
    return (
        not name.endswith(".py")
        or name.startswith("test")
        or name.endswith(("_test.py", "tests.py"))
    )


def _of_file(
    diff: FileDiff, called: Called, protected: Sequence[str]
) -> Iterator[Flag]:
    path = diff.path
    if any(_glob(pattern).match(path) for pattern in protected):
        yield _whole(FlagKind.PROTECTED_PATH, diff, "This path is protected.")
    if path == ".aideator.toml":
        yield _whole(
            FlagKind.CHECK_COMMAND,
            diff,
            "The repository's own word on setup, checks and protected paths.",
        )
    if _CI.search(path):
        yield _whole(
            FlagKind.CI_CONFIG, diff, "What runs in continuous integration was changed."
        )
    elif _CONFIG.search(path) or _SHADOW.search(path):
        yield _whole(
            FlagKind.TEST_CONFIG,
            diff,
            "It configures how tests are found and run, or stands in for that.",
        )
    if (
        diff.status != "added"
        and _SNAPSHOT.search(path)
        and (_removes(diff) or diff.binary)
    ):
        yield _whole(FlagKind.SNAPSHOT, diff, "What tests compare with was rewritten.")
    if called.names(path) and not is_test(path):
        yield _whole(
            FlagKind.CHECK_COMMAND, diff, "A check's own command runs this file."
        )
    for number, hunk in enumerate(diff.hunks):
        yield from _of_hunk(diff, number, hunk, called)


def _of_hunk(diff: FileDiff, number: int, hunk: Hunk, called: Called) -> Iterator[Flag]:
    added = [text for kind, text in _changed(hunk) if kind == "added"]
    if secrets := [
        text for text in added if _SECRET.search(text) and "EXAMPLE" not in text
    ]:
        excerpt = excerpt_of(
            ("added", _SECRET.sub("[secret]", text)) for text in secrets
        )
        yield _flag(
            FlagKind.SECRET,
            diff,
            number,
            excerpt,
            "It adds what looks like a key or password.",
        )
    if not is_test(diff.path) and (
        detects := [text for text in added if _DETECTS.search(text)]
    ):
        excerpt = excerpt_of(("added", text) for text in detects)
        yield _flag(
            FlagKind.TEST_CONFIG,
            diff,
            number,
            excerpt,
            "The code finds out whether it is being tested.",
        )
    if lines := list(_configures(diff.path, hunk)):
        message = "It configures how tests are found and run."
        yield _flag(FlagKind.TEST_CONFIG, diff, number, excerpt_of(lines), message)
    if lines := list(called.changed(diff.path, hunk)):
        yield _flag(
            FlagKind.CHECK_COMMAND,
            diff,
            number,
            excerpt_of(lines),
            "A check's own command runs this.",
        )


def _changed(hunk: Hunk) -> Iterator[tuple[str, str]]:
    return (
        (line.kind, line.text.strip()[:LINE_LIMIT])
        for line in hunk.lines
        if line.kind != "context"
    )


def _removes(diff: FileDiff) -> bool:
    return any(
        kind == "removed" and text
        for hunk in diff.hunks
        for kind, text in _changed(hunk)
    )


def _configures(path: str, hunk: Hunk) -> Iterator[tuple[str, str]]:
    """The changed lines of a hunk that say how tests are found and run."""
    if path.rpartition("/")[2] == "conftest.py":
        # A new fixture is as welcome as a new test; what reaches into the run, or
        # replaces what was there, is not.
        yield from (
            (kind, text)
            for kind, text in _changed(hunk)
            if kind == "removed" or _CONFTEST.search(text)
        )
    elif _SHARED.search(path):
        section = found[1] if (found := _SECTION.match(hunk.heading)) else ""
        for line in hunk.lines:
            text = line.text.strip()[:LINE_LIMIT]
            if header := _SECTION.match(text):
                section = header[1]
            about_tests = (
                bool(_TEST_SECTION.search(section))
                if section
                else bool(_KEYS.search(text))
            )
            about_tests = (
                about_tests
                or bool(_OFF.match(text))
                or (not path.endswith(".toml") and bool(_KEYS.search(text)))
            )
            if line.kind != "context" and text and about_tests:
                yield line.kind, text


def _whole(kind: FlagKind, diff: FileDiff, message: str) -> Flag:
    """A flag for the file as a whole, with its first changed lines."""
    lines = [pair for hunk in diff.hunks[:1] for pair in _changed(hunk)]
    return _flag(kind, diff, None, _SECRET.sub("[secret]", excerpt_of(lines)), message)


def _flag(
    kind: FlagKind, diff: FileDiff, hunk: int | None, excerpt: str, message: str
) -> Flag:
    return Flag(kind=kind, path=diff.path, hunk=hunk, excerpt=excerpt, message=message)


@cache
def _glob(pattern: str) -> re.Pattern[str]:
    """A glob as an expression: `**` crosses folders, `*` and `?` do not; a folder holds all that is below it."""
    parts = re.split(
        r"(\*\*/|\*\*|\*|\?)", pattern.strip().removeprefix("./").removesuffix("/")
    )
    wild = {"**/": r"(?:.*/)?", "**": r".*", "*": r"[^/]*", "?": r"[^/]"}
    return re.compile(
        "".join(wild.get(part, re.escape(part)) for part in parts) + r"(?:/.*)?$",
        re.DOTALL,
    )
