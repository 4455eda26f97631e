"""Cross-examination without I/O: which tests a variation wrote, where they can be run together, what they said there.

A test of one variation often cannot be collected in another, since it calls what only
its author has made. That is "not comparable", never "failed": only an answer that the
other's code gave counts against it.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from aideator.changes.diff import FileDiff, Hunk
from aideator.checks.compare import MAX_MESSAGE, outcomes
from aideator.checks.runners import short_name
from aideator.checks.test_files import is_of_tests, is_test
from aideator.domain.check import CheckResult, Measurement, TestOutcome, TestResult
from aideator.domain.ranking import CrossOutcome


@dataclass(frozen=True)
class OwnTest:
    """A test that one variation wrote or edited."""

    check: str
    result: TestResult
    """What it said on its author's tree, with the file that holds it."""
    diff: FileDiff
    """What the author did to that file."""

    @property
    def key(self) -> tuple[str, str, FileDiff]:
        """The same for tests of several authors that are the same word for word."""
        return self.check, self.result.test, self.diff


def own_tests(
    check: str,
    files: Sequence[FileDiff],
    author: CheckResult,
    base: CheckResult | None,
    old_text: Callable[[str], str],
) -> list[OwnTest]:
    """The tests that a change added, or whose own lines it touched.

    Args:
        check: The check's label.
        files: The author's change.
        author: What the check said on the author's tree.
        base: What it said on the base.
        old_text: The content of a file on the base.
    """
    changed = {
        file.path: file
        for file in files
        if is_test(file.path) and file.status != "removed" and file.hunks
    }
    known = {test.test for test in base.tests} if base else set()
    edited = {
        path: edited_names(old_text(path), file.hunks) for path, file in changed.items()
    }
    found = []
    for test in author.tests:
        name = short_name(test.test)
        path = test.file if test.file in changed else _home(test, name, changed, edited)
        if (
            path
            and test.outcome is not TestOutcome.SKIPPED
            and (test.test not in known or name in edited[path])
        ):
            found.append(
                OwnTest(check, test.model_copy(update={"file": path}), changed[path])
            )
    return found


def edited_tests(files: Sequence[FileDiff], old_text: Callable[[str], str]) -> set[str]:
    """The names of all tests and helpers whose lines a change touches."""
    tests = [file for file in files if is_test(file.path) and file.status != "removed"]
    return {
        name for file in tests for name in edited_names(old_text(file.path), file.hunks)
    }


def _home(
    test: TestResult,
    name: str,
    changed: Mapping[str, FileDiff],
    edited: Mapping[str, set[str]],
) -> str:
    """The changed file that defines a test whose report names no file: it names the test where it was changed."""
    if test.file:
        return ""
    homes = [path for path in changed if name in edited[path]]
    # Several files may define a test of that name; its id often holds the module.
    return max(homes, key=lambda path: _in_module(path, test.test), default="")


def _in_module(path: str, test: str) -> bool:
    module = re.sub(r"\.\w+$", "", path).replace("/", ".")
    return any(
        test.startswith(f"{module[place:]}.") for place in (0, module.rfind(".") + 1)
    )


_DEFINITION = re.compile(
    r"^(\s*)(?:(?:async )?def (\w+)|func (\w+)|(?:pub )?(?:async )?fn (\w+)"
    r"|(?:[\w<>\[\]]+ )+(\w+)\(\)[^;]*\{|(?:it|test|specify)(?:\.\w+)*\(\s*(['\"`])(.+?)\6)"
)
_NO_EDIT = re.compile(r"\s*($|[@#})\]]|//|/\*|\*|import |from )")
"""Lines that stand around a test rather than in it: what was added above the next one
is no edit of this one."""


def _defines(line: str) -> tuple[int, str] | None:
    found = _DEFINITION.match(line)
    if not found:
        return None
    return len(found[1]), next(
        name for name in (found[2], found[3], found[4], found[5], found[7]) if name
    )


def edited_names(old: str, hunks: Iterable[Hunk]) -> set[str]:
    """What the changed lines of a file belong to: the names of the functions and tests that they stand in."""
    lines = old.split("\n")
    found = set()
    for hunk in hunks:
        before = lines[: max(hunk.old_start - 1, 0)]
        depth, current = next(
            (at for line in reversed(before) if (at := _defines(line))), (0, "")
        )
        for line in hunk.lines:
            if (defined := _defines(line.text)) and (
                defined[0] <= depth or not current
            ):
                depth, current = defined
            if line.kind != "context" and not _NO_EDIT.match(line.text):
                found.add(current)
    return found - {""}


def laid_over(files: Sequence[FileDiff]) -> list[str]:
    """The paths that go along when a variation's tests are run elsewhere: tests, their helpers and their data."""
    return [
        file.path
        for file in files
        if file.status != "removed" and is_of_tests(file.path)
    ]


@dataclass(frozen=True)
class Bundle:
    """The tests of one author, with the files that they need."""

    author: int
    paths: tuple[str, ...]
    tests: tuple[OwnTest, ...]

    @property
    def is_alone(self) -> bool:
        """Whether it brings more than files of its tests: what a fixture does to tests of others nobody knows."""
        return bool(set(self.paths) - {test.result.file for test in self.tests})


def pack(bundles: Iterable[Bundle]) -> list[list[Bundle]]:
    """Share sandboxes where files and test ids do not collide."""
    shared: list[list[Bundle]] = []
    alone: list[list[Bundle]] = []
    for bundle in bundles:
        if bundle.is_alone:
            alone.append([bundle])
        elif place := next(
            (
                batch
                for batch in shared
                if all(_go_together(bundle, other) for other in batch)
            ),
            None,
        ):
            place.append(bundle)
        else:
            shared.append([bundle])
    return shared + alone


def _go_together(one: Bundle, other: Bundle) -> bool:
    ids = {(test.check, test.result.test) for test in one.tests}
    return not set(one.paths) & set(other.paths) and not ids & {
        (t.check, t.result.test) for t in other.tests
    }


_UNKNOWN_NAME = re.compile(
    r"\b(ImportError|ModuleNotFoundError|NameError|UnboundLocalError)\b"
    r"|AttributeError: (module|type object|'(?!NoneType)\w+' object)"
    r"|TypeError: .*(unexpected keyword argument|positional arguments? but|missing \d+ required)"
    r"|\bfixture '[^']+' not found"
    r"|Cannot find (module|package)|ERR_MODULE_NOT_FOUND|does not provide an export named"
    r"|is not a (function|constructor)\b|ReferenceError: .* is not defined"
    r"|NoSuchMethodError|NoClassDefFoundError|NoSuchFieldError"
)
"""How runners say that a test asks for what is not there."""


def comparable(test: TestResult | None) -> CrossOutcome:
    """What one run of a foreign test says about a tree."""
    if test is None or test.outcome in {TestOutcome.SKIPPED, TestOutcome.ERROR}:
        return CrossOutcome.NOT_COMPARABLE
    if test.outcome is TestOutcome.PASSED:
        return CrossOutcome.PASS
    asks_in_vain = _UNKNOWN_NAME.search(test.message) and _is_raised_in_a_test(
        test.message
    )
    return CrossOutcome.NOT_COMPARABLE if asks_in_vain else CrossOutcome.FAIL


_PYTHON_PLACE = re.compile(
    r'File "(?:/workspace/)?([^"]+)", line \d+|^([\w./-]+\.py):\d+: ', re.MULTILINE
)
"""Where Python's tracebacks name a file, the innermost last."""
_JS_PLACE = re.compile(
    r"^ +at .*?/workspace/(?!node_modules/)([^:)]+):\d+", re.MULTILINE
)
"""Where JavaScript's name one, the innermost first."""


def _is_raised_in_a_test(message: str) -> bool:
    """Whether the name was missed by a test.

    Code that misses a name of its own is simply broken.
    """
    python = [one or other for one, other in _PYTHON_PLACE.findall(message)]
    script = _JS_PLACE.findall(message)
    place = python[-1] if python else script[0] if script else ""
    return not place or is_of_tests(place) or place.startswith("/")


def answer(
    measurement: Measurement | None, test: str
) -> tuple[CrossOutcome, bool, str]:
    """What a test said on a tree, whether it said so each time, and why it did not pass."""
    if measurement is None:
        return CrossOutcome.NOT_COMPARABLE, True, ""
    runs = [measurement.result, *measurement.again]
    found = [each for run in runs for each in run.tests if each.test == test]
    said = {comparable(each) for each in found} or {CrossOutcome.NOT_COMPARABLE}
    stable = not {CrossOutcome.PASS, CrossOutcome.FAIL} <= said
    outcome = said.pop() if len(said) == 1 else CrossOutcome.NOT_COMPARABLE
    blamed = found or [each for each in runs[0].tests if _holds_up(each, test)]
    message = next((each.message for each in blamed if each.message), runs[0].note)
    return (
        outcome,
        stable,
        "" if outcome is CrossOutcome.PASS else message[:MAX_MESSAGE],
    )


def _holds_up(error: TestResult, test: str) -> bool:
    """Whether a file, module or package that cannot be collected is why this test is missing."""
    return error.outcome is TestOutcome.ERROR and test.startswith(error.test)


def convincing(measurement: Measurement) -> set[str]:
    """The tests that pass on this tree each time.

    Only such are worth running on others.
    """
    return {
        test
        for test, said in outcomes(measurement).items()
        if set(said) == {TestOutcome.PASSED}
    }


def split(result: CheckResult, tests: Iterable[OwnTest]) -> CheckResult:
    """The part of a shared run that is about some tests."""
    asked = {test.result.test for test in tests if test.check == result.check}
    about = (
        each
        for each in result.tests
        if each.test in asked or any(_holds_up(each, test) for test in asked)
    )
    return result.model_copy(update={"tests": tuple(about)})
