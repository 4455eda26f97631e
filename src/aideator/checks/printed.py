"""Read what test runners print where they write no report: unittest, libtest (cargo), nextest, go's JSON lines, TAP.

Pure functions over text that a change may have printed itself; the same care as in
`reports.py`. A reader that does not recognise the text, or misses its end, returns a
report without tests.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
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


def unittest(text: str) -> Report:
    """Read what `python -m unittest -v` writes to standard error.

    Its ERROR is any exception but a failed assertion, so in a test's own body it counts
    as a failure; what is an error here is a module that cannot be imported and a class
    or module that cannot be set up.
    """
    if not _RAN.search(text):
        return Report(note="the test runner did not come to its end")
    outcomes: dict[str, TestOutcome] = {}
    current = ""
    for line in text.partition("\n" + "=" * 70)[0].split("\n"):
        if header := _HEADER.match(line.strip()):
            current = _unittest_id(header[1], header[2])
            outcomes.setdefault(current, PASSED)
        if current and (
            outcome := next(
                (o for pattern, o in _UNITTEST if pattern.match(line)), None
            )
        ):
            outcomes[current] = max(outcomes[current], outcome, key=_worse)
    messages: dict[str, str] = {}
    for found, end in _blocks(text):
        test = _unittest_id(found[2], found[3])
        outcomes[test] = max(
            outcomes.get(test, PASSED),
            ERROR if found[1] == "ERROR" else FAILED,
            key=_worse,
        )
        messages.setdefault(test, text[found.end() : end].strip("-\n"))
    return report(
        "text",
        (
            result(t, _in_the_body(t, o), message=messages.get(t, ""))
            for t, o in outcomes.items()
        ),
    )


def _worse(outcome: TestOutcome) -> int:
    return (PASSED, SKIPPED, FAILED, ERROR).index(outcome)


def _blocks(text: str) -> Iterator[tuple[re.Match[str], int]]:
    found = list(_BLOCK.finditer(text))
    ends = [
        *(each.start() for each in found[1:]),
        next(m.start() for m in reversed(list(_RAN.finditer(text)))),
    ]
    return zip(found, ends, strict=True) if found else iter(())


def _unittest_id(method: str, where: str) -> str:
    # Python 3.11 writes module.Class.method in the brackets, older ones module.Class.
    where = where.removeprefix("unittest.loader._FailedTest.").removeprefix(
        "unittest.loader._FailedTest"
    )
    if not where:
        return method
    return (
        where
        if where == method or where.endswith(f".{method}")
        else f"{where}.{method}"
    )


def _in_the_body(test: str, outcome: TestOutcome) -> TestOutcome:
    not_run = "." not in test or test.rpartition(".")[2] in {
        "setUpClass",
        "setUpModule",
        "tearDownClass",
    }
    return FAILED if outcome is ERROR and not not_run else outcome


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
            binary, speaker = found[1] or "", None
        elif found := _LIBTEST_SAID.match(line):
            speaker = said.setdefault(_rust_id(binary, found[1]), [])
        elif found := _LIBTEST.match(line):
            tests[_rust_id(binary, found[1])] = (binary, _LIBTEST_OUTCOMES[found[2]])
        elif line == "failures:":
            speaker = None
        elif speaker is not None:
            speaker.append(line)
    rows = (
        result(t, o, file=f, message="\n".join(said.get(t, [])))
        for t, (f, o) in tests.items()
    )
    return report("text", rows)


def _rust_id(binary: str, name: str) -> str:
    return f"{binary}::{name}" if binary else name


_NEXTEST = re.compile(
    r"^ +(PASS|FAIL|SKIP|TIMEOUT|ABORT|SIG\w+|FLAKY \S+) \[[^\]]*\] (?:\([^)]*\) )?(\S+) (.+)$"
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


def go(text: str) -> Report:
    """Read what `go test -json` prints: one event a line, among whatever else stands there."""
    ended: dict[tuple[str, str], tuple[TestOutcome, float]] = {}
    said: dict[tuple[str, str], str] = {}
    for event in _events(text):
        key = (
            str(event.get("Package") or event.get("ImportPath", "")).partition(" ")[0],
            str(event.get("Test", ""))[:NAME],
        )
        if event.get("Action") in {"output", "build-output"}:
            said[key] = (said.get(key, "") + str(event.get("Output", "")))[
                -2 * MESSAGE :
            ]
        elif outcome := _GO_OUTCOMES.get(str(event.get("Action"))):
            elapsed = event.get("Elapsed", 0)
            ended[key] = outcome, elapsed if isinstance(elapsed, int | float) else 0.0
    parents = {
        (package, parent) for package, test in ended for parent in _parents(test)
    }
    fallen = {
        package for package, test in ended if test and ended[package, test][0] is FAILED
    }
    rows = []
    for key, (outcome, seconds) in ended.items():
        package, test = key
        if test and key not in parents:
            rows.append(
                result(
                    f"{package}.{test}",
                    outcome,
                    message=said.get(key, ""),
                    seconds=seconds,
                )
            )
        elif (
            not test and outcome is FAILED and package not in fallen
        ):  # it was not built, or ended by itself
            rows.append(result(package, ERROR, message=said.get(key, "")))
    return report("json", rows)


def _parents(test: str) -> Iterator[str]:
    """The tests that a subtest may be part of: as a name may hold slashes itself, each is tried."""
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


def go_output(text: str) -> str:
    """What `go test` would have printed without `-json`."""
    return "".join(
        str(next(_events(line), {}).get("Output", ""))
        if line.startswith("{")
        else line + "\n"
        for line in text.split("\n")
    )


_PLAN = re.compile(r"^1\.\.(\d+)(?: *#.*)?$")
_POINT = re.compile(r"(not )?ok\b(?: ++(\d++))?(?: ++-(?= ))?(.*)", re.DOTALL)
_DIRECTIVE = re.compile(r"(?<=#) *+(?:skip|todo)\b", re.IGNORECASE)
_TAP_DEPTH = 20


def tap(text: str) -> Report:
    """Read the Test Anything Protocol, version 13 or 14, with subtests.

    A test is named by its path of names.
    """
    lines = text.replace("\r\n", "\n").split("\n")
    if not any(_PLAN.match(line) for line in lines):
        return Report()
    if bailed := next((line for line in lines if line.startswith("Bail out!")), None):
        return Report(note=bailed[:200])
    return report("tap", _points(lines))


def _points(lines: list[str]) -> Iterator[TestResult]:
    inner: list[list[tuple[str, TestOutcome, list[str]]]] = [[]]
    counts = Counter[int]()
    notes: list[str] | None = None
    for line in lines:
        depth = (len(line) - len(line.lstrip(" "))) // 4
        if notes is not None and line.strip() in {"---", "..."}:
            notes = notes if line.strip() == "---" else None
        elif (point := _POINT.match(line.strip())) and depth < _TAP_DEPTH:
            while len(inner) <= depth + 1:
                inner.append([])
            counts[depth] += 1
            counts[depth + 1] = 0
            name = (
                point[3].partition(" #")[0].strip()
                or f"test {point[2] or counts[depth]}"
            )
            outcome = (
                SKIPPED
                if _DIRECTIVE.search(point[3])
                else FAILED
                if point[1]
                else PASSED
            )
            notes = []
            children, inner[depth + 1] = inner[depth + 1], []
            if children and (
                outcome is not FAILED or any(o is FAILED for _, o, _ in children)
            ):
                inner[depth] += [
                    (f"{name} > {child}", o, said) for child, o, said in children
                ]
            else:
                inner[depth].append((name, outcome, notes))
        elif notes is not None and len(notes) < 50:
            notes.append(line.strip())
    for name, outcome, said in inner[0]:
        yield result(name, outcome, message="\n".join(said))


def recognise(text: str) -> Report:
    """Read the output of a command that nobody knows, such as `make test`, if a known runner has printed it."""
    for reader in (libtest, nextest, tap):
        if (found := reader(text)).tests:
            return found
    return Report()
