"""Cross-tests without I/O: find them, pack them into sandboxes, read their outcomes.

A test of one variation often cannot be collected in another, since it calls what only
its author has made. That is "not comparable", never "failed": a failure counts
against the other only where its own code caused it. Running tests of one candidate on
all others is the dual execution of CodeT (Chen et al. 2022, arXiv 2207.10397).
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from aideator.changes.diff import FileDiff, Hunk
from aideator.checks.compare import MAX_MESSAGE
from aideator.checks.outcomes import blocks, outcomes_by_test
from aideator.checks.runners import short_name
from aideator.checks.test_files import is_of_tests, is_test
from aideator.domain.check import CheckResult, Measurement, TestOutcome, TestResult
from aideator.domain.ranking import CrossOutcome


@dataclass(frozen=True)
class OwnTest:
    """A test that one variation wrote or edited."""

    check: str
    result: TestResult
    """Its result on its author's tree, with the file that holds it."""
    diff: FileDiff
    """The author's change to that file."""

    @property
    def key(self) -> tuple[str, str, FileDiff]:
        """Return what is equal for tests of several authors with the same text."""
        return self.check, self.result.test, self.diff


def own_tests(
    check: str,
    files: Sequence[FileDiff],
    author: CheckResult,
    base: CheckResult | None,
    old_text: Callable[[str], str],
) -> list[OwnTest]:
    """Return the tests that a change added, or whose own lines it edited.

    Args:
        check: The check's label.
        files: The author's change.
        author: The check's result on the author's tree.
        base: Its result on the base.
        old_text: Returns the content of a file on the base.
    """
    changed = _changed_test_files(files)
    on_base = {test.test for test in base.tests} if base else set()
    edited = {
        path: edited_names(old_text(path), file.hunks) for path, file in changed.items()
    }
    found = []
    for test in author.tests:
        path = test.file if test.file in changed else _file_of(test, edited)
        if not path or test.of_subtests or test.outcome is TestOutcome.SKIPPED:
            continue
        if test.test not in on_base or short_name(test.test) in edited[path]:
            located = test.model_copy(update={"file": path})
            found.append(OwnTest(check, located, changed[path]))
    return found


def edited_tests(files: Sequence[FileDiff], old_text: Callable[[str], str]) -> set[str]:
    """Return the names of all tests and helpers whose lines a change edits.

    Args:
        files: The change.
        old_text: Returns the content of a file on the base.
    """
    found: set[str] = set()
    for path, file in _changed_test_files(files).items():
        found |= edited_names(old_text(path), file.hunks)
    return found


def _changed_test_files(files: Iterable[FileDiff]) -> dict[str, FileDiff]:
    return {
        file.path: file
        for file in files
        if is_test(file.path) and file.status != "removed" and file.hunks
    }


def _file_of(test: TestResult, edited: Mapping[str, set[str]]) -> str:
    """Return the changed file that defines a test whose report names no file.

    Args:
        test: Its result.
        edited: By path, the names of the tests that the change edits.
    """
    if test.file:
        return ""
    name = short_name(test.test)
    paths = [path for path, names in edited.items() if name in names]
    # Several files may define a test of that name; its id often holds the module.
    return max(paths, key=lambda path: _is_in_module(path, test.test), default="")


def _is_in_module(path: str, test: str) -> bool:
    module = re.sub(r"\.\w+$", "", path).replace("/", ".")
    last = module.rpartition(".")[2]
    return test.startswith((f"{module}.", f"{last}."))


_DEFINITION = re.compile(
    r"^(\s*)(?:(?:async )?def (\w+)|func (\w+)|(?:pub )?(?:async )?fn (\w+)"
    r"|(?:[\w<>\[\]]+ )+(\w+)\(\)[^;]*\{"
    r"|(?:it|test|specify)(?:\.\w+)*\(\s*(['\"`])(.+?)\6)"
)
_NO_EDIT = re.compile(r"\s*($|[@#})\]]|//|/\*|\*|import |from )")
"""Lines that stand around a test rather than in it: what was added above the next one
is no edit of this one."""


def _definition(line: str) -> tuple[int, str] | None:
    """Return the indentation and the name of what a line defines."""
    found = _DEFINITION.match(line)
    if not found:
        return None
    names = (found[2], found[3], found[4], found[5], found[7])
    return len(found[1]), next(name for name in names if name)


def _last_definition(lines: Sequence[str]) -> tuple[int, str]:
    for line in reversed(lines):
        if definition := _definition(line):
            return definition
    return 0, ""


def edited_names(old: str, hunks: Iterable[Hunk]) -> set[str]:
    """Return the names of the functions and tests that the changed lines stand in.

    Args:
        old: The file's content on the base.
        hunks: The change to it.
    """
    lines = old.split("\n")
    found = set()
    for hunk in hunks:
        depth, current = _last_definition(lines[: max(hunk.old_start - 1, 0)])
        for line in hunk.lines:
            definition = _definition(line.text)
            # What is indented deeper is part of the test, such as a nested function.
            if definition and (definition[0] <= depth or not current):
                depth, current = definition
            if line.kind != "context" and not _NO_EDIT.match(line.text):
                found.add(current)
    return found - {""}


def paths_to_copy(files: Sequence[FileDiff]) -> list[str]:
    """Return the paths to copy when a variation's tests are run on another.

    These are its tests, their helpers and their data.
    """
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
        """Return whether it needs a sandbox to itself.

        It does if it brings more than the files of its tests: what a fixture does to
        the tests of other authors is unknown.
        """
        return bool(set(self.paths) - {test.result.file for test in self.tests})


def pack(bundles: Iterable[Bundle]) -> list[list[Bundle]]:
    """Return bundles by sandbox: those that share one do not collide."""
    shared: list[list[Bundle]] = []
    alone: list[list[Bundle]] = []
    for bundle in bundles:
        if bundle.is_alone:
            alone.append([bundle])
        elif batch := _first_fit(bundle, shared):
            batch.append(bundle)
        else:
            shared.append([bundle])
    return shared + alone


def _first_fit(bundle: Bundle, batches: Iterable[list[Bundle]]) -> list[Bundle] | None:
    for batch in batches:
        if not any(_collide(bundle, other) for other in batch):
            return batch
    return None


def _collide(one: Bundle, other: Bundle) -> bool:
    if set(one.paths) & set(other.paths):
        return True
    ids = {(test.check, test.result.test) for test in one.tests}
    return any((test.check, test.result.test) in ids for test in other.tests)


_UNKNOWN_NAME = re.compile(
    r"\b(ImportError|ModuleNotFoundError|NameError|UnboundLocalError)\b"
    r"|AttributeError: (module|type object|'(?!NoneType)\w+' object)"
    r"|TypeError: .*(unexpected keyword argument|positional arguments? but"
    r"|missing \d+ required)"
    r"|\bfixture '[^']+' not found"
    r"|Cannot find (module|package)|ERR_MODULE_NOT_FOUND"
    r"|does not provide an export named"
    r"|is not a (function|constructor)\b|ReferenceError: .* is not defined"
    r"|NoSuchMethodError|NoClassDefFoundError|NoSuchFieldError"
)
"""How runners say that a test uses a name that does not exist."""


def outcome_of_run(test: TestResult | None) -> CrossOutcome:
    """Return what one run of another variation's test says about a tree."""
    if test is None or test.outcome in {TestOutcome.SKIPPED, TestOutcome.ERROR}:
        return CrossOutcome.NOT_COMPARABLE
    if test.outcome is TestOutcome.PASSED:
        return CrossOutcome.PASS
    if _UNKNOWN_NAME.search(test.message) and _is_raised_in_a_test(test.message):
        return CrossOutcome.NOT_COMPARABLE
    return CrossOutcome.FAIL


_PYTHON_PLACE = re.compile(
    r'File "(?:/workspace/)?([^"]+)", line \d+|^([\w./-]+\.py):\d+: ', re.MULTILINE
)
"""Where Python's tracebacks name a file, the innermost last."""
_JS_PLACE = re.compile(
    r"^ +at .*?/workspace/(?!node_modules/)([^:)]+):\d+", re.MULTILINE
)
"""Where JavaScript's name one, the innermost first."""


def _is_raised_in_a_test(message: str) -> bool:
    """Return whether a test uses the unknown name, as far as the message says.

    Code that uses an unknown name itself is broken, which is a failure.
    """
    places = [one or other for one, other in _PYTHON_PLACE.findall(message)][-1:]
    places = places or _JS_PLACE.findall(message)[:1]
    return all(is_of_tests(place) or place.startswith("/") for place in places)


def outcome_of_runs(
    measurement: Measurement | None, test: str
) -> tuple[CrossOutcome, bool, str]:
    """Return the outcome of a test on a tree, whether it is stable, and why it failed.

    Args:
        measurement: All runs of its check there; None if there was none.
        test: The test's id.
    """
    if measurement is None:
        return CrossOutcome.NOT_COMPARABLE, True, ""
    found: list[TestResult] = []
    for run in (measurement.result, *measurement.again):
        found += [result for result in run.tests if result.test == test]
    outcomes = {outcome_of_run(result) for result in found} or {
        CrossOutcome.NOT_COMPARABLE
    }
    stable = not {CrossOutcome.PASS, CrossOutcome.FAIL} <= outcomes
    outcome = outcomes.pop() if len(outcomes) == 1 else CrossOutcome.NOT_COMPARABLE
    if outcome is CrossOutcome.PASS:
        return outcome, stable, ""
    message = _first_message(found or _blocking(measurement.result, test))
    return outcome, stable, (message or measurement.result.note)[:MAX_MESSAGE]


def _first_message(results: Iterable[TestResult]) -> str:
    return next((result.message for result in results if result.message), "")


def _blocking(result: CheckResult, test: str) -> list[TestResult]:
    return [each for each in result.tests if blocks(each, test)]


def always_passing(measurement: Measurement) -> set[str]:
    """Return the tests that pass in every run on this tree.

    Only these are worth running on other variations.
    """
    return {
        test
        for test, seen in outcomes_by_test(measurement).items()
        if set(seen) == {TestOutcome.PASSED}
    }


def only_about(result: CheckResult, tests: Iterable[OwnTest]) -> CheckResult:
    """Return the part of a shared run that is about these tests."""
    asked = {test.result.test for test in tests if test.check == result.check}
    about = tuple(
        each
        for each in result.tests
        if each.test in asked or any(blocks(each, test) for test in asked)
    )
    return result.model_copy(update={"tests": about})
