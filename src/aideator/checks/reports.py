"""Read the report files of test runners: JUnit XML, and JSON of jest, vitest and node.

JUnit XML has no standard; what is read here is the common part of what pytest, Maven's
Surefire (surefire-test-report.xsd), Gradle and others write.

Pure functions over bytes that anything may have written: a report comes out of a
sandbox in which a change has run. So entities and document types are refused (nothing
expands), numbers and texts are bounded, and a report that cannot be read gives no tests
and says why; then the check's exit code decides alone. Runners that only print are in
`printed.py`.
"""

import json
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any, Literal
from xml.parsers import expat

from aideator.domain.check import TestOutcome, TestResult

MAX_TESTS = 50_000
"""Tests that are told apart in one report."""
MESSAGE, NAME = 2000, 1000
"""Characters kept of why a test did not pass, and of its name. The name of what holds
many tests is cut before it is joined with theirs, or a report of n bytes would make
n² bytes of names."""
_NUMBER = 40
"""Characters that are read of a number."""

_CHUNK = 2**18
"""Bytes of XML that are parsed at once. expat before 2.6 reads an unfinished tag
again with each piece, so small pieces of a long tag take quadratic time."""
_DEPTH = 100
"""How deep XML may be nested. Each level costs the parser memory."""

Source = Literal["exit_code", "junit", "tap", "json", "text"]
_SEVERITY = (
    TestOutcome.SKIPPED,
    TestOutcome.PASSED,
    TestOutcome.ERROR,
    TestOutcome.FAILED,
)


class Unreadable(ValueError):
    """The report cannot be read; the message says why."""


@dataclass(frozen=True)
class Report:
    """The tests of one run of a check."""

    source: Source = "exit_code"
    tests: tuple[TestResult, ...] = ()
    note: str = ""
    """Why there are no tests, although a report was there."""


def report(source: Source, tests: Iterable[TestResult]) -> Report:
    """Return a report of these tests.

    Tests with the same id are one, which has passed if none of them has failed.
    """
    found: dict[str, TestResult] = {}
    for test in tests:
        known = found.get(test.test)
        if known is None and len(found) >= MAX_TESTS:
            return Report(note=f"the report names more than {MAX_TESTS} tests")
        if known is None or _is_worse(test.outcome, known.outcome):
            found[test.test] = test
    return Report(source, tuple(found.values()))


def _is_worse(outcome: TestOutcome, other: TestOutcome) -> bool:
    return _SEVERITY.index(outcome) > _SEVERITY.index(other)


def result(
    test: str,
    outcome: TestOutcome,
    *,
    file: str = "",
    message: str = "",
    seconds: float = 0.0,
    of_subtests: bool = False,
) -> TestResult:
    """Return one test, with its texts bounded and free of what no database takes."""
    passed = outcome is TestOutcome.PASSED
    seconds = min(max(seconds, 0.0), 1e6)
    return TestResult(
        test=clean(test[:NAME]),
        outcome=outcome,
        seconds=0.0 if math.isnan(seconds) else round(seconds, 3),
        file=clean(file[:NAME]),
        message="" if passed else shortened(clean(message)),
        of_subtests=of_subtests,
    )


def clean(text: str) -> str:
    """Return text without NUL and lone surrogates.

    JSON may hold both; neither UTF-8 nor a database takes them.
    """
    return text.encode(errors="replace").decode().replace("\0", "�")


def shortened(text: str, limit: int = MESSAGE) -> str:
    """Return the first line of a message, and its end.

    The first line names the error, the end shows the place.
    """
    text = text.strip()
    if len(text) <= limit:
        return text
    head = text.partition("\n")[0][: limit // 4]
    return f"{head}\n[…]\n{text[-(limit - len(head)) :]}"


def read(data: bytes) -> Report:
    """Read one report file, whichever of the formats it has."""
    start = data[:1000].lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
    try:
        if start == b"<":
            return report("junit", _Junit().read(data))
        if start in (b"{", b"["):
            return report("json", _json(data))
    except Unreadable as error:
        return Report(note=str(error))
    except RecursionError:
        return Report(note="the report is nested too deeply")
    return Report(
        note="the report is neither XML nor JSON" if start else "the report is empty"
    )


def merge(reports: Iterable[Report]) -> Report:
    """Return several files of one run as one report.

    One broken file makes the whole report broken, since it may have held any test.
    """
    found = list(reports)
    for each in found:
        if each.note:
            return each
    tests = chain.from_iterable(each.tests for each in found)
    return report(found[0].source, tests) if found else Report()


class _Junit:
    """Reads JUnit XML in one streaming pass. Unknown elements are skipped.

    An `<error>` is, for pytest, a test that could not be run; for all others, any
    exception but a failed assertion.
    """

    def __init__(self) -> None:
        self._tests: list[TestResult] = []
        self._suites: list[str] = []
        self._case: dict[str, str] | None = None
        self._outcome = TestOutcome.PASSED
        self._message: list[str] = []
        self._message_size = 0
        self._in_message = False

    def read(self, data: bytes) -> list[TestResult]:
        """Return the tests, in order of their ends."""
        parse_xml(data, self._start, self._end, self._text)
        return self._tests

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if name == "testsuite":
            self._suites.append(attributes.get("name", "")[:NAME])
        elif name == "testcase":
            self._case, self._outcome = attributes, TestOutcome.PASSED
            self._message, self._message_size = [], 0
            self._in_message = False
        elif self._case is not None and name in _JUNIT_OUTCOMES:
            outcome = _JUNIT_OUTCOMES[name]
            if name == "error" and not self._case.get("file", "").endswith(".py"):
                outcome = TestOutcome.FAILED
            if _is_worse(outcome, self._outcome) or outcome is TestOutcome.SKIPPED:
                self._outcome = outcome
            self._in_message = True
            self._text(attributes.get("message", "") + "\n")

    def _text(self, text: str) -> None:
        # A gigabyte of text in one element is read and dropped, but for its beginning
        # and its end.
        if not self._in_message:
            return
        self._message.append(text)
        self._message_size += len(text)
        if self._message_size > 8 * MESSAGE:
            self._message = [shortened("".join(self._message), 2 * MESSAGE)]
            self._message_size = len(self._message[0])

    def _end(self, name: str) -> None:
        if name in _JUNIT_OUTCOMES:
            self._in_message = False
        elif name == "testsuite" and self._suites:
            self._suites.pop()
        elif name == "testcase" and self._case is not None:
            self._add(self._case)
            self._case = None

    def _add(self, case: dict[str, str]) -> None:
        if len(self._tests) > MAX_TESTS:
            raise Unreadable(f"the report names more than {MAX_TESTS} tests")
        test, file = _junit_id(case, self._suites)
        self._tests.append(
            result(
                test,
                self._outcome,
                file=file,
                message="".join(self._message),
                seconds=_number(case.get("time")),
            )
        )


_JUNIT_OUTCOMES = {
    "failure": TestOutcome.FAILED,
    "error": TestOutcome.ERROR,
    "skipped": TestOutcome.SKIPPED,
}


def parse_xml(
    data: bytes,
    start: Callable[[str, dict[str, str]], None],
    end: Callable[[str], None] = lambda _: None,
    text: Callable[[str], None] = lambda _: None,
) -> None:
    """Read XML element by element, without expanding or fetching anything.

    Args:
        data: The document.
        start: Called with the name and attributes of each element that begins.
        end: Called with the name of each element that ends.
        text: Called with each piece of text.

    Raises:
        Unreadable: If it is broken, nested too deeply, or declares an entity.
    """
    depth = 0

    def opened(name: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > _DEPTH:
            raise Unreadable("the report is nested too deeply")
        start(name, attributes)

    def closed(name: str) -> None:
        nonlocal depth
        depth -= 1
        end(name)

    parser = expat.ParserCreate()
    parser.EntityDeclHandler = _refuse
    parser.StartElementHandler = opened
    parser.EndElementHandler = closed
    parser.CharacterDataHandler = text
    try:
        for place in range(0, len(data), _CHUNK):
            parser.Parse(data[place : place + _CHUNK])
        parser.Parse(b"", True)  # noqa: FBT003 - expat's own signature: it is the end
    except (expat.ExpatError, LookupError) as error:
        raise Unreadable(f"the report is broken XML: {error}") from error


def _refuse(*_: object) -> None:
    raise Unreadable("the report declares an entity, which no report needs")


def _junit_id(case: dict[str, str], suites: list[str]) -> tuple[str, str]:
    """Return the test's id as its runner takes it on the command line, and its file."""
    name, group = case.get("name", ""), case.get("classname", "")
    file = case.get("file", "")
    if file.endswith(".py"):
        return _pytest_id(name, group, file), file
    group = group or next((suite for suite in reversed(suites) if suite), "")
    return f"{group}.{name}" if group else name, file


def _pytest_id(name: str, group: str, file: str) -> str:
    """Return `file::Class::test`; of a file that cannot be collected, `file`."""
    module = file.removesuffix(".py").replace("/", ".")
    if name == module:
        return file
    inner = group.removeprefix(module).strip(".")
    return "::".join(part for part in (file, *inner.split("."), name) if part)


def _number(text: str | None) -> float:
    try:
        return float((text or "0")[:_NUMBER].replace(",", ""))
    except ValueError:
        return 0.0


def _json(data: bytes) -> Iterator[TestResult]:
    """Read one document (jest, vitest) or one object a line (our reporter for node)."""
    try:
        lines = [json.loads(line) for line in data.split(b"\n") if line.strip()]
    except (ValueError, RecursionError):
        lines = [_document(data)]
    for found in lines:
        if isinstance(found, dict):
            is_jest = isinstance(found.get("testResults"), list)
            yield from _jest(found) if is_jest else _node(found)


def _document(data: bytes) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise Unreadable("the report is broken JSON") from error


_JEST_OUTCOMES = {"passed": TestOutcome.PASSED, "failed": TestOutcome.FAILED}


def _jest(document: dict[str, Any]) -> Iterator[TestResult]:
    for suite in _dicts(document["testResults"]):
        file = from_root(str(suite.get("name", "")))[:NAME]
        tests = _dicts(suite.get("assertionResults"))
        if not tests and suite.get("status") == "failed":
            message = str(suite.get("message", ""))
            yield result(file, TestOutcome.ERROR, file=file, message=message)
        for test in tests:
            names = [file, *_list(test.get("ancestorTitles")), test.get("title", "")]
            yield result(
                " > ".join(map(str, names)),
                _JEST_OUTCOMES.get(str(test.get("status")), TestOutcome.SKIPPED),
                file=file,
                message="\n".join(map(str, _list(test.get("failureMessages")))),
                seconds=_number(str(test.get("duration") or 0)) / 1000,
            )


def _node(found: dict[str, Any]) -> Iterator[TestResult]:
    if str(found.get("outcome")) in set(TestOutcome):
        file = from_root(str(found.get("file") or ""))
        yield result(
            " > ".join(map(str, [file, *_list(found.get("names"))])),
            TestOutcome(str(found["outcome"])),
            file=file,
            message=str(found.get("message") or ""),
            seconds=_number(str(found.get("seconds") or 0)),
            of_subtests=found.get("of_subtests") is True,
        )


def _dicts(found: object) -> list[dict[str, Any]]:
    return [each for each in _list(found) if isinstance(each, dict)]


def _list(found: object) -> list[Any]:
    return found if isinstance(found, list) else []


def from_root(path: str) -> str:
    """Return a path from the root of the repository, which is `/workspace` inside."""
    return path.removeprefix("file://").removeprefix("/workspace/").removeprefix("./")
