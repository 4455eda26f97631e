"""Read runners that print one line for each test, each as a row of data.

Pure functions over text that a change may have printed itself; the same care as in
`printed.py`.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from aideator.checks.printed import Reader, tap
from aideator.checks.reports import NAME, Report, report, result
from aideator.domain.check import TestOutcome, TestResult

_OUTCOMES: Mapping[str, TestOutcome] = {
    "PASS": TestOutcome.PASSED,
    "PASSED": TestOutcome.PASSED,
    "passed": TestOutcome.PASSED,
    "OK": TestOutcome.PASSED,
    "XFAIL": TestOutcome.PASSED,
    "EXPECTEDFAIL": TestOutcome.PASSED,
    "Passed": TestOutcome.PASSED,
    ".": TestOutcome.PASSED,
    "FLAKY": TestOutcome.PASSED,
    "SKIP": TestOutcome.SKIPPED,
    "SKIPPED": TestOutcome.SKIPPED,
    "Skipped": TestOutcome.SKIPPED,
    "Not Run": TestOutcome.SKIPPED,
    "S": TestOutcome.SKIPPED,
}
"""What runners call a test that did not fail; anything else is a failure."""


@dataclass(frozen=True)
class Lines:
    """How one runner prints its tests."""

    test: re.Pattern[str]
    """Matches the line of a test: the groups `name` and `outcome`."""
    end: re.Pattern[str]
    """Matches what is printed at the end, without which nothing is read."""


_READERS: Mapping[str, Lines] = {
    # https://www.gnu.org/software/automake/manual/html_node/Scripts_002dbased-Testsuites.html
    "automake": Lines(
        re.compile(
            r"^(?P<outcome>PASS|FAIL|SKIP|XFAIL|XPASS|ERROR): (?P<name>\S.*)$",
            re.MULTILINE,
        ),
        re.compile(r"^# TOTAL: +\d+$", re.MULTILINE),
    ),
    "minitest": Lines(
        re.compile(
            r"^(?P<name>[\w:]+#test_\S.*) = \d+\.\d+ s = (?P<outcome>[.FES])$",
            re.MULTILINE,
        ),
        re.compile(r"^\d+ runs, \d+ assertions, ", re.MULTILINE),
    ),
    "bazel": Lines(
        re.compile(
            r"^(?P<name>//\S+) +(?:\(cached\) )?"
            r"(?P<outcome>PASSED|FAILED|TIMEOUT|FLAKY|SKIPPED|NO STATUS)\b.*$",
            re.MULTILINE,
        ),
        re.compile(r"^Executed \d+ out of \d+ tests?", re.MULTILINE),
    ),
    "ctest": Lines(
        re.compile(
            r"^ *\d+/\d+ Test +#\d+: (?P<name>\S+) \.+ *(?:\*\*\*)?"
            r"(?P<outcome>Passed|Failed|Not Run|Skipped|Timeout|Exception)\b.*$",
            re.MULTILINE,
        ),
        re.compile(r"^\d+% tests passed, ", re.MULTILINE),
    ),
    "meson": Lines(
        re.compile(
            r"^ *\d+/\d+ (?P<name>\S.*?) +"
            r"(?P<outcome>OK|FAIL|SKIP|TIMEOUT|ERROR|EXPECTEDFAIL|UNEXPECTEDPASS)"
            r" +\d+\.\d+s.*$",
            re.MULTILINE,
        ),
        re.compile(r"^Ok: +\d+", re.MULTILINE),
    ),
    "swift": Lines(
        re.compile(
            r"^Test Case '(?P<name>[^']+)' (?P<outcome>passed|failed|skipped)\b.*$",
            re.MULTILINE,
        ),
        re.compile(r"^\s*Executed \d+ tests?, with ", re.MULTILINE),
    ),
}


def line_reader(runner: str) -> Reader:
    """Return the reader of one runner's lines."""
    lines = _READERS[runner]

    def read(text: str) -> Report:
        if not lines.end.search(text):
            return Report()
        return report("text", _tests(lines, text))

    return read


def _tests(lines: Lines, text: str) -> Iterator[TestResult]:
    for found in lines.test.finditer(text):
        outcome = _OUTCOMES.get(found["outcome"], TestOutcome.FAILED)
        yield result(found["name"].strip()[:NAME], outcome)


_PROVE_FILE = re.compile(r"^(\S+\.\w+) \.{2,} *$", re.MULTILINE)


def prove(text: str) -> Report:
    """Read what `prove -v` prints: the TAP of each file below the file's name."""
    if not re.search(r"^Result: (PASS|FAIL|NOTESTS)", text, re.MULTILINE):
        return Report()
    return report("tap", _of_files(text))


def _of_files(text: str) -> Iterator[TestResult]:
    parts = _PROVE_FILE.split(text)
    for file, said in zip(parts[1::2], parts[2::2], strict=True):
        found = tap(said)
        if not found.tests:
            outcome = TestOutcome.ERROR
            skipped = re.search(r"^(1\.\.0|skipped)", said, re.MULTILINE)
            yield result(file, TestOutcome.SKIPPED if skipped else outcome, file=file)
        for test in found.tests:
            yield test.model_copy(
                update={"test": f"{file} > {test.test}"[:NAME], "file": file}
            )


ANY_LINES = tuple(line_reader(name) for name in _READERS)
"""The readers of all of them, for a command whose runner is not known."""


def recognise_lines(text: str) -> Report:
    """Read the output of an unknown command, if one of these runners printed it."""
    for reader in (prove, *ANY_LINES):
        if (found := reader(text)).tests:
            return found
    return Report()
