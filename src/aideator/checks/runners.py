"""The known test runners: how they are recognised, report each test, and select some.

Nothing of the project is changed or trusted for that: a runner is told by an
environment variable or by arguments after the command, and reports to a place outside
the tree. A command that is more than a chain of simple ones (pipes, redirections,
substitutions) is left as it is; then environment variables still reach the runner
inside.
"""

import json
import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from aideator.checks import printed
from aideator.checks.dependencies import declared_modules
from aideator.checks.printed import Reader
from aideator.domain.check import Check, TestResult
from aideator.repositories.untrusted_tree import read_regular_file

PLACE = "/tmp/aideator"
"""Where reports go, inside: /tmp is the sandbox's own and no part of the tree."""
REPORTER = Path(__file__).with_name("reporter.mjs")
"""For `node --test`; it is written to PLACE before the command runs."""
MAX_COMMAND = 100_000
"""Characters of a command. One argument of a Linux program ends at 128 KiB, and a
selection may name many tests."""

Select = Callable[[str, Sequence[TestResult]], str | None]
"""From a command and tests to the command that runs those and few others; None where
that cannot be said."""


@dataclass(frozen=True)
class Runner:
    """One test runner. In its texts, `{report}` is the path of a run's report."""

    name: str
    calls: re.Pattern[str]
    """Matches commands that call it."""
    env: Mapping[str, str] = field(default_factory=dict)
    arguments: str = ""
    """Added at the end of its command."""
    reports: tuple[str, ...] = ()
    """Where it leaves its reports: the path of this run, or globs in the repository."""
    output: Reader | None = None
    """Reads what it prints, where there is no report file."""
    before: str = ""
    """A shell command to run before it."""
    separate_stderr: bool = False
    """Whether standard error is kept apart from standard output, since the reader needs
    it alone."""
    select: Select | None = None
    """Selects some of its tests; None if it cannot."""


def _pytest(command: str, tests: Sequence[TestResult]) -> str | None:
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


def _unittest(command: str, tests: Sequence[TestResult]) -> str | None:
    # A test whose module cannot be imported has no dotted name that a pattern would
    # find; discovery tells it anyway.
    return command + "".join(f" -k {shlex.quote(test.test)}" for test in tests)


def _by_file(command: str, tests: Sequence[TestResult], flag: str = "") -> str | None:
    files = sorted({test.file for test in tests if test.file})
    if not files or _has_paths(command):
        return None
    return f"{command}{flag} {shlex.join(files)}"


def _jest(command: str, tests: Sequence[TestResult]) -> str | None:
    return _by_file(command, tests, " --runTestsByPath")


def _has_paths(command: str) -> bool:
    return bool(re.search(r"\.[cm]?[jt]sx?\b", command))


def _go(command: str, tests: Sequence[TestResult]) -> str | None:
    names = sorted({short_name(test.test) for test in tests})
    pattern = f"^({'|'.join(map(re.escape, names))})$"
    return f"{command} -run {shlex.quote(pattern)}"


def _cargo(command: str, tests: Sequence[TestResult]) -> str | None:
    names = [test.test.partition("::")[2] if test.file else test.test for test in tests]
    separator = "" if " -- " in command else " --"
    return f"{command}{separator} --exact {shlex.join(names)}"


def _nextest(command: str, tests: Sequence[TestResult]) -> str | None:
    filters = " | ".join(f"test({short_name(test.test)})" for test in tests)
    return f"{command} -E {shlex.quote(filters)}"


def _maven(command: str, tests: Sequence[TestResult]) -> str | None:
    names = [test.test.partition("(")[0].rsplit(".", 1) for test in tests]
    methods = shlex.quote(",".join("#".join(name) for name in names))
    return f"{command} -Dtest={methods} -Dsurefire.failIfNoSpecifiedTests=false"


def _gradle(command: str, tests: Sequence[TestResult]) -> str | None:
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


_JUNIT, _JSON = "{report}.xml", "{report}.json"
_PYTEST_ENV = {
    # A file that cannot be collected costs the tests of that file, not of all.
    "PYTEST_ADDOPTS": f"--junitxml={_JUNIT} -o junit_family=xunit1"
    " --continue-on-collection-errors"
}

RUNNERS = (
    Runner(
        "pytest",
        re.compile(r"(^|[\s/])(pytest|py\.test)(\s|$)"),
        _PYTEST_ENV,
        reports=(_JUNIT,),
        select=_pytest,
    ),
    Runner(
        "unittest",
        re.compile(r"\s-m unittest(\s|$)"),
        arguments=" -v",
        output=printed.unittest,
        separate_stderr=True,
        select=_unittest,
    ),
    Runner(
        "vitest",
        re.compile(r"(^|[\s/])vitest(\s|$)"),
        arguments=f" --reporter=default --reporter=json --outputFile.json={_JSON}",
        reports=(_JSON,),
        select=_by_file,
    ),
    Runner(
        "jest",
        re.compile(r"(^|[\s/])(jest|react-scripts test)(\s|$)"),
        arguments=f" --json --outputFile={_JSON}",
        reports=(_JSON,),
        select=_jest,
    ),
    Runner(
        "node",
        re.compile(r"(^|[\s/])node\s(?!.*--test-reporter)(.*\s)?--test(\s|$)"),
        {
            "NODE_OPTIONS": f"--test-reporter={PLACE}/reporter.mjs"
            f" --test-reporter-destination={_JSON}"
            " --test-reporter=spec --test-reporter-destination=stdout"
        },
        reports=(_JSON,),
        select=_by_file,
    ),
    Runner(
        "go",
        re.compile(r"(^|[\s/])go test(\s|$)"),
        arguments=" -json -count=1",
        output=printed.go,
        select=_go,
    ),
    Runner(
        "nextest",
        re.compile(r"(^|[\s/])cargo nextest run(\s|$)"),
        output=printed.nextest,
        select=_nextest,
    ),
    Runner(
        "cargo",
        re.compile(r"(^|[\s/])cargo (\S+ )?(test|t)(\s|$)"),
        output=printed.libtest,
        select=_cargo,
    ),
    Runner(
        "maven",
        re.compile(r"(^|[\s/])mvnw?\s(.*\s)?(test|verify|package|install)(\s|$)"),
        reports=(
            "**/target/surefire-reports/TEST-*.xml",
            "**/target/failsafe-reports/TEST-*.xml",
        ),
        select=_maven,
    ),
    Runner(
        "gradle",
        re.compile(r"(^|[\s/])gradlew?\s(.*\s)?(\S*[tT]est|check|build)(\s|$)"),
        # Gradle does not rerun tests whose outcome it knows, and then there is no
        # report of this run: a base that set-up had tested reported nothing, and a
        # rerun ran nothing. So old reports are removed first, and the build cache is
        # off.
        arguments=" --no-build-cache",
        before="find . -path '*/build/test-results/*' -name 'TEST-*.xml' -delete",
        reports=("**/build/test-results/*/TEST-*.xml",),
        select=_gradle,
    ),
)
"""In the order in which they are matched."""

UNKNOWN = Runner(
    "", re.compile(""), _PYTEST_ENV, reports=(_JUNIT,), output=printed.recognise
)
"""A command such as `make test`: pytest inside is reached by its environment, and known
outputs are recognised."""

QUIET = Runner("", re.compile(""))
"""A build or a linter: it passes or fails as a whole."""


@dataclass(frozen=True)
class Plan:
    """How one check is run."""

    check: Check
    runner: Runner
    separator: str = ""
    """What stands between a script and arguments for what it calls, such as npm's
    `--`."""
    folder: str = ""
    """The folder that the command changes to first, with a slash at its end."""
    dependencies: frozenset[str] = frozenset()
    """The modules that the project declares as dependencies."""
    start: str = ""
    """The folder of the repository where the command starts, with a slash at its
    end."""

    @property
    def reports(self) -> tuple[str, ...]:
        """Return where reports are: where the user or the command says, first."""
        if self.check.report:
            return (self.check.report,)
        if named := re.search(r"--junit-?xml[= ](\S+)", self.check.command):
            return (self.folder + named[1],)
        return self.runner.reports

    def command(self, only: Sequence[TestResult] | None = None) -> str | None:
        """Return the shell command for the whole check, or for some of its tests.

        None if these tests cannot be selected.
        """
        command = self.check.command.rstrip()
        if self.runner.arguments:
            command += self.separator + self.runner.arguments
        if only is None:
            return command
        if self.runner.select is None:
            return None
        head, tail = _last_step(command)
        if self.separator and not self.runner.arguments:
            tail += self.separator
        chosen = self.runner.select(tail, [self._from_folder(test) for test in only])
        if not chosen or len(head + chosen) > MAX_COMMAND:
            return None
        return head + chosen

    def _from_folder(self, test: TestResult) -> TestResult:
        folder = self.start + self.folder
        if not folder or not test.file:
            return test
        update = {
            "file": test.file.removeprefix(folder),
            "test": test.test.removeprefix(folder),
        }
        return test.model_copy(update=update)

    def from_root(self, test: TestResult) -> TestResult:
        """Return a test that was run in a folder, with its paths as from the root."""
        folder = self.start + self.folder
        if not folder or not test.file or test.file.startswith(folder):
            return test
        of_file = test.test.startswith(test.file)
        update = {
            "file": folder + test.file,
            "test": folder + test.test if of_file else test.test,
        }
        return test.model_copy(update=update)


def plan(check: Check, tree: Path, start: str = "") -> Plan:
    """Return how a check is run: recognise the test runner that it calls.

    Args:
        check: The check.
        tree: The base's files, where `package.json` says what a script calls.
        start: The folder of the repository where the check starts.
    """
    start = _folder(start)
    tree /= start
    if check.kind != "test":
        return Plan(check, QUIET, start=start)
    changes_to = re.match(r"\s*cd ([\w][\w./-]*) &&", check.command)
    folder = _folder(changes_to[1]) if changes_to else ""
    dependencies = declared_modules(tree / folder)
    head, tail = _last_step(check.command)
    script, separator = _script(tail, tree / folder)
    found = _runner_of(script or tail)
    folder_is_known = bool(changes_to) or "cd " not in head
    if folder_is_known and _is_simple(tail, script):
        return Plan(check, found, separator, folder, dependencies, start)
    # Its environment reaches the runner; its arguments would go astray.
    by_env = found if found.env else UNKNOWN
    runner = replace(by_env, name="", output=printed.recognise, select=None)
    return Plan(check, runner, folder=folder, dependencies=dependencies, start=start)


def _folder(path: str) -> str:
    return "" if not path or ".." in path else f"{path.rstrip('/')}/"


def _runner_of(command: str) -> Runner:
    return next((each for each in RUNNERS if each.calls.search(command)), UNKNOWN)


def _last_step(command: str) -> tuple[str, str]:
    """Cut a chain of commands before its last one."""
    cut = 0
    for separator in ("&&", ";"):
        if separator in command:
            cut = max(cut, command.rfind(separator) + len(separator))
    return command[:cut], command[cut:]


def _is_simple(command: str, script: str) -> bool:
    """Return whether arguments at the end of a command reach the program it calls.

    They do not behind a pipe, a redirection, a comment or an open quote.

    Args:
        command: The last one of its chain.
        script: What it calls, if it runs a script of `package.json`.
    """
    if re.search(r"[|<>&`()#\n]", command) or re.search(r"[|<>&;`()#\n]", script):
        return False
    try:
        shlex.split(command)
    except ValueError:
        return False
    return True


_SCRIPT = re.compile(
    r"\s*(npm|pnpm|yarn|bun)( run| run-script)?( -s| --silent)?"
    r" ([\w:.-]+)\s*(--\s.*|--)?$"
)


def _script(command: str, folder: Path) -> tuple[str, str]:
    """Return what a script of `package.json` calls, and what separates arguments."""
    found = _SCRIPT.match(command)
    if not found:
        return "", ""
    scripts = _package(folder / "package.json").get("scripts")
    name = {"t": "test", "tst": "test"}.get(found[4], found[4])
    script = scripts.get(name) if isinstance(scripts, dict) else None
    separator = " --" if found[1] == "npm" and not found[5] else ""
    return (script, separator) if isinstance(script, str) else ("", "")


def _package(file: Path) -> dict[str, object]:
    try:
        found = json.loads(read_regular_file(file) or b"{}")
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
