"""Read the output of test runners that write no report file.

These are unittest, libtest (cargo), nextest, go's JSON lines (`go doc test2json`), and
TAP 13 and 14 (testanything.org).

Pure functions over text that a change may have printed itself; the same care as in
`reports.py`. A reader that does not recognise the text, or misses its end, returns a
report without tests.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from aideator.checks.reports import MESSAGE, NAME, Report, report, result
from aideator.domain.check import TestOutcome, TestResult

PASSED, FAILED, ERROR, SKIPPED = (
    TestOutcome.PASSED,
    TestOutcome.FAILED,
    TestOutcome.ERROR,
    TestOutcome.SKIPPED,
)

Reader = Callable[[str], Report]

_HEADER = re.compile(r"(\w+) \(([\w.<>]+)\)(.*)")
_UNITTEST = (
    (re.compile(r"(^|.* )(ok|expected failure)$"), PASSED),
    (re.compile(r"(^|.* )(FAIL|unexpected success)$"), FAILED),
    (re.compile(r"(^|.* )ERROR$"), ERROR),
    (re.compile(r"(^|.*\.\.\. )skipped\b.*"), SKIPPED),
)
_BLOCK = re.compile(
    r"^={70}\n(FAIL|ERROR|UNEXPECTED SUCCESS): (\w+) \(([\w.<>]+)\).*\n", re.MULTILINE
)
_RAN = re.compile(r"^Ran \d+ tests? in ", re.MULTILINE)
_NOT_IMPORTED = "unittest.loader._FailedTest"
"""The class that stands in for a module that cannot be imported."""


def unittest(text: str) -> Report:
    """Read what `python -m unittest -v` writes to standard error.

    Its ERROR is any exception but a failed assertion, so in a test's own body it counts
    as a failure; what is an error here is a module that cannot be imported and a class
    or module that cannot be set up.
    """
    if not _RAN.search(text):
        return Report(note="the test runner did not come to its end")
    outcomes = _listed_outcomes(text.partition("\n" + "=" * 70)[0])
    messages: dict[str, str] = {}
    for block, end in _blocks(text):
        test = _unittest_id(block[2], block[3])
        outcome = ERROR if block[1] == "ERROR" else FAILED
        outcomes[test] = _worse(outcomes.get(test, PASSED), outcome)
        messages.setdefault(test, text[block.end() : end].strip("-\n"))
    rows = (
        result(test, _in_the_body(test, outcome), message=messages.get(test, ""))
        for test, outcome in outcomes.items()
    )
    return report("text", rows)


def _listed_outcomes(text: str) -> dict[str, TestOutcome]:
    """Read the lines `test_a (module.Class.test_a) ... ok` above the tracebacks."""
    outcomes: dict[str, TestOutcome] = {}
    current = ""
    for line in text.split("\n"):
        if header := _HEADER.match(line.strip()):
            current = _unittest_id(header[1], header[2])
            outcomes.setdefault(current, PASSED)
        # What a test prints may stand between its name and its outcome.
        outcome = next((o for pattern, o in _UNITTEST if pattern.match(line)), None)
        if current and outcome:
            outcomes[current] = _worse(outcomes[current], outcome)
    return outcomes


def _worse(one: TestOutcome, other: TestOutcome) -> TestOutcome:
    return max(one, other, key=(PASSED, SKIPPED, FAILED, ERROR).index)


def _blocks(text: str) -> Iterator[tuple[re.Match[str], int]]:
    """Yield the head of each traceback, and where it ends."""
    heads = list(_BLOCK.finditer(text))
    summary = [found.start() for found in _RAN.finditer(text)][-1]
    ends = [*(head.start() for head in heads[1:]), summary]
    return zip(heads, ends, strict=False)


def _unittest_id(method: str, where: str) -> str:
    # Python 3.11 writes module.Class.method in the brackets, older ones module.Class.
    where = where.removeprefix(f"{_NOT_IMPORTED}.").removeprefix(_NOT_IMPORTED)
    if not where:
        return method
    is_whole = where == method or where.endswith(f".{method}")
    return where if is_whole else f"{where}.{method}"


def _in_the_body(test: str, outcome: TestOutcome) -> TestOutcome:
    """Return a failure for an error that a test's own body has raised."""
    method = test.rpartition(".")[2]
    set_up = {"setUpClass", "setUpModule", "tearDownClass"}
    if outcome is ERROR and "." in test and method not in set_up:
        return FAILED
    return outcome


_BINARY = re.compile(r"^ +(?:Running (?:unittests )?(\S+) \(|Doc-tests (\S+))")
_LIBTEST = re.compile(r"^test (.+?)(?: - should panic)? \.\.\. (ok|FAILED|ignored)\b")
_LIBTEST_SAID = re.compile(r"^---- (.+) stdout ----$")
_LIBTEST_OUTCOMES = {"ok": PASSED, "FAILED": FAILED, "ignored": SKIPPED}


def libtest(text: str) -> Report:
    """Read what `cargo test` prints.

    A test is named `file of its crate::path`, as names repeat among crates.
    """
    if "\ntest result: " not in text:
        return Report()
    tests: dict[str, tuple[str, TestOutcome]] = {}
    said: dict[str, list[str]] = {}
    binary, speaker = "", None
    for line in text.split("\n"):
        if found := _BINARY.match(line):
            binary, speaker = (found[1] or "")[:NAME], None
        elif found := _LIBTEST_SAID.match(line):
            speaker = said.setdefault(_rust_id(binary, found[1]), [])
        elif found := _LIBTEST.match(line):
            tests[_rust_id(binary, found[1])] = (binary, _LIBTEST_OUTCOMES[found[2]])
        elif line == "failures:":
            speaker = None
        elif speaker is not None:
            speaker.append(line)
    rows = (
        result(test, outcome, file=file, message="\n".join(said.get(test, [])))
        for test, (file, outcome) in tests.items()
    )
    return report("text", rows)


def _rust_id(binary: str, name: str) -> str:
    return f"{binary}::{name}" if binary else name


_NEXTEST = re.compile(
    r"^ +(PASS|FAIL|SKIP|TIMEOUT|ABORT|SIG\w+|FLAKY \S+) \[[^\]]*\] "
    r"(?:\([^)]*\) )?(\S+) (.+)$"
)


def nextest(text: str) -> Report:
    """Read the lines that `cargo nextest run` prints, one for each test."""
    if " Summary [" not in text:
        return Report()
    found = (_NEXTEST.match(line) for line in text.split("\n"))
    outcomes = {"PASS": PASSED, "SKIP": SKIPPED}
    rows = (
        result(f"{each[2]}::{each[3]}", outcomes.get(each[1], FAILED))
        for each in found
        if each
    )
    return report("text", rows)


_GO_DEPTH = 10
_GO_OUTCOMES = {"pass": PASSED, "fail": FAILED, "skip": SKIPPED}


_GoTest = tuple[str, str]
"""A package and a test in it; the test of the package as a whole is empty."""


def go(text: str) -> Report:
    """Read what `go test -json` prints: one event a line, among any other lines."""
    ended: dict[_GoTest, tuple[TestOutcome, float]] = {}
    output: dict[_GoTest, str] = {}
    for event in _events(text):
        action = _said(event, "Action")
        package = _said(event, "Package") or _said(event, "ImportPath")
        key = (package.partition(" ")[0], _said(event, "Test")[:NAME])
        if action in {"output", "build-output"}:
            text_so_far = output.get(key, "") + _said(event, "Output")
            output[key] = text_so_far[-2 * MESSAGE :]
        elif outcome := _GO_OUTCOMES.get(action):
            elapsed = event.get("Elapsed", 0)
            seconds = elapsed if isinstance(elapsed, int | float) else 0.0
            ended[key] = outcome, seconds
    return report("json", _go_results(ended, output))


def _go_results(
    ended: Mapping[_GoTest, tuple[TestOutcome, float]], output: Mapping[_GoTest, str]
) -> Iterator[TestResult]:
    """Yield the tests, and packages that failed without a test."""
    parents: set[_GoTest] = set()
    with_failed_subtest: set[_GoTest] = set()
    failed_in_a_test: set[str] = set()
    for (package, test), (outcome, _) in ended.items():
        above = [(package, parent) for parent in _parents(test)]
        parents.update(above)
        if test and outcome is FAILED:
            with_failed_subtest.update(above)
            failed_in_a_test.add(package)
    for key, (outcome, seconds) in ended.items():
        package, test = key
        message = output.get(key, "")
        if test:
            fails_itself = outcome is FAILED and key not in with_failed_subtest
            yield result(
                f"{package}.{test}",
                outcome,
                message=message,
                seconds=seconds,
                of_subtests=key in parents and not fails_itself,
            )
        elif outcome is FAILED and package not in failed_in_a_test:
            # The package was not built, or its process ended by itself.
            yield result(package, ERROR, message=message)


def _parents(test: str) -> Iterator[str]:
    """Yield the tests that a subtest may be part of.

    A name may itself hold slashes, so the part before each slash is one.
    """
    place = test.find("/")
    for _ in range(_GO_DEPTH):
        if place < 0:
            break
        yield test[:place]
        place = test.find("/", place + 1)


def _events(text: str) -> Iterator[dict[str, Any]]:
    for line in text.split("\n"):
        if line.startswith("{"):
            try:
                event = json.loads(line)
            except (ValueError, RecursionError):
                continue
            yield event


def _said(event: Mapping[str, Any], name: str) -> str:
    value = event.get(name)
    return value if isinstance(value, str) else ""


def go_output(text: str) -> str:
    """Return what `go test` would have printed without `-json`."""
    return "".join(map(_go_line, text.split("\n")))


def _go_line(line: str) -> str:
    if not line.startswith("{"):
        return line + "\n"
    return _said(next(_events(line), {}), "Output")


_PLAN = re.compile(r"^1\.\.(\d+)(?: *#.*)?$")
_POINT = re.compile(r"(not )?ok\b(?: ++(\d++))?(?: ++-(?= ))?(.*)", re.DOTALL)
_DIRECTIVE = re.compile(r"(?<=#) *+(?:skip|todo)\b", re.IGNORECASE)
_TAP_DEPTH, _TAP_NOTES = 20, 50
"""Levels of subtests, and lines kept below a test that explain it."""


def tap(text: str) -> Report:
    """Read the Test Anything Protocol, version 13 or 14, with subtests.

    A test is named by its path of names.
    """
    lines = text.replace("\r\n", "\n").split("\n")
    if not any(_PLAN.match(line) for line in lines):
        return Report()
    if bailed := next((line for line in lines if line.startswith("Bail out!")), None):
        return Report(note=bailed[:200])
    points = _TapReader().read(lines)
    rows = (
        result(
            point.name,
            point.outcome,
            message="\n".join(point.notes),
            of_subtests=point.of_subtests,
        )
        for point in points
    )
    return report("tap", rows)


@dataclass(frozen=True)
class _TapPoint:
    name: str
    outcome: TestOutcome
    notes: list[str]
    of_subtests: bool = False


class _TapReader:
    """Collects test points by depth: those of a subtest stand before its own point."""

    def __init__(self) -> None:
        self._points: list[list[_TapPoint]] = [[]]
        self._counts = Counter[int]()
        self._notes: list[str] | None = None

    def read(self, lines: Iterable[str]) -> list[_TapPoint]:
        """Return the test points, those of a subtest before its own."""
        for line in lines:
            text = line.strip()
            depth = (len(line) - len(line.lstrip(" "))) // 4
            if self._notes is not None and text in {"---", "..."}:
                if text == "...":
                    self._notes = None
            elif (point := _POINT.match(text)) and depth < _TAP_DEPTH:
                self._add(point, depth)
            elif self._notes is not None and len(self._notes) < _TAP_NOTES:
                self._notes.append(text)
        return self._points[0]

    def _add(self, point: re.Match[str], depth: int) -> None:
        while len(self._points) <= depth + 1:
            self._points.append([])
        self._counts[depth] += 1
        self._counts[depth + 1] = 0
        number = point[2] or self._counts[depth]
        name = point[3].partition(" #")[0].strip()[:NAME] or f"test {number}"
        outcome = FAILED if point[1] else PASSED
        if _DIRECTIVE.search(point[3]):
            outcome = SKIPPED
        self._notes = []
        children, self._points[depth + 1] = self._points[depth + 1], []
        fails_itself = outcome is FAILED and not _any_failed(children)
        for child in children:
            named = replace(child, name=f"{name} > {child.name}"[:NAME])
            self._points[depth].append(named)
        own = _TapPoint(name, outcome, self._notes, bool(children) and not fails_itself)
        self._points[depth].append(own)


def _any_failed(points: Iterable[_TapPoint]) -> bool:
    return any(point.outcome is FAILED for point in points)


def recognise(text: str) -> Report:
    """Read the output of an unknown command, such as `make test`.

    The report has tests if a known runner has printed it.
    """
    for reader in (libtest, nextest, tap):
        if (found := reader(text)).tests:
            return found
    return Report()
