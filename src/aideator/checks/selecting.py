"""Select some of a runner's tests: from its command and tests to another command."""

import re
import shlex
from collections.abc import Sequence

from aideator.domain.check import TestResult


def pytest(command: str, tests: Sequence[TestResult]) -> str | None:
    """Put the tests in the place of the paths.

    What an option takes as its value may stay, it only selects more.
    """
    if re.search(r"[$*?{~]", command):
        return None
    words = shlex.split(command)
    calls = [bool(re.fullmatch(r"(.*/)?(pytest|py\.test)", word)) for word in words]
    start = calls.index(True) + 1
    kept, takes_value = words[:start], False
    for word in words[start:]:
        if word.startswith("-") or takes_value:
            kept.append(word)
        takes_value = bool(re.fullmatch(r"-[kmpcoWnr]|--[^=]+", word))
    return shlex.join([*kept, *(test.test for test in tests)])


def unittest(command: str, tests: Sequence[TestResult]) -> str | None:
    """Select by `-k`, which takes dotted names."""
    # A test whose module cannot be imported has no dotted name that a pattern would
    # find; discovery tells it anyway.
    return command + "".join(f" -k {shlex.quote(test.test)}" for test in tests)


def by_file(command: str, tests: Sequence[TestResult], flag: str = "") -> str | None:
    """Select the files that hold the tests."""
    files = sorted({test.file for test in tests if test.file})
    if not files or _has_paths(command):
        return None
    return f"{command}{flag} {shlex.join(files)}"


def jest(command: str, tests: Sequence[TestResult]) -> str | None:
    """Select the files that hold the tests, by path."""
    return by_file(command, tests, " --runTestsByPath")


def mocha(command: str, tests: Sequence[TestResult]) -> str | None:
    """Select by a pattern of the full titles."""
    titles = [test.test.removeprefix(f"{test.file} > ") for test in tests]
    pattern = f"^({'|'.join(map(re.escape, titles))})$"
    return f"{command} --grep {shlex.quote(pattern)}"


def by_name(command: str, tests: Sequence[TestResult]) -> str | None:
    """Select by dotted names, as arguments of their own."""
    return f"{command} {shlex.join(test.test for test in tests)}"


def rspec(command: str, tests: Sequence[TestResult]) -> str | None:
    """Select the files that hold the tests."""
    files = sorted({test.file for test in tests if test.file})
    return f"{command} {shlex.join(files)}" if files else None


def ctest(command: str, tests: Sequence[TestResult]) -> str | None:
    """Select by a pattern of the names."""
    pattern = f"^({'|'.join(re.escape(test.test) for test in tests)})$"
    return f"{command} -R {shlex.quote(pattern)}"


def deno(command: str, tests: Sequence[TestResult]) -> str | None:
    """Select by a pattern of the names."""
    names = "|".join(re.escape(short_name(test.test)) for test in tests)
    return f"{command} --filter {shlex.quote(f'/^({names})$/')}"


def _has_paths(command: str) -> bool:
    return bool(re.search(r"\.[cm]?[jt]sx?\b", command))


def go(command: str, tests: Sequence[TestResult]) -> str | None:
    """Select by a pattern of the names."""
    names = sorted({short_name(test.test) for test in tests})
    pattern = f"^({'|'.join(map(re.escape, names))})$"
    return f"{command} -run {shlex.quote(pattern)}"


def cargo(command: str, tests: Sequence[TestResult]) -> str | None:
    """Select by exact names."""
    names = [test.test.partition("::")[2] if test.file else test.test for test in tests]
    separator = "" if " -- " in command else " --"
    return f"{command}{separator} --exact {shlex.join(names)}"


def nextest(command: str, tests: Sequence[TestResult]) -> str | None:
    """Select by a filter expression."""
    filters = " | ".join(f"test({short_name(test.test)})" for test in tests)
    return f"{command} -E {shlex.quote(filters)}"


def maven(command: str, tests: Sequence[TestResult]) -> str | None:
    """Select by class and method."""
    names = [test.test.partition("(")[0].rsplit(".", 1) for test in tests]
    methods = shlex.quote(",".join("#".join(name) for name in names))
    return f"{command} -Dtest={methods} -Dsurefire.failIfNoSpecifiedTests=false"


def gradle(command: str, tests: Sequence[TestResult]) -> str | None:
    """Select by class and method."""
    return command + "".join(
        f" --tests {shlex.quote(test.test.partition('(')[0])}" for test in tests
    )


def short_name(test: str) -> str:
    """Return what a test is called where it is defined.

    This is the last part of its id, without parameters and subtests.
    """
    if " > " in test:
        return test.rpartition(" > ")[2]
    # Go's ids are `package.Test/subtest`.
    if subtest := re.search(r"\.((?:Test|Fuzz|Example)\w*)(?:/|$)", test):
        return subtest[1]
    name = re.split(r"[\[(]", test, maxsplit=1)[0].rpartition("::")[2]
    return name if " " in name else name.rpartition(".")[2]
