"""How runners say that they could not run: the result says nothing about the tree.

A missing program, module or configuration is a matter of the machine or of set-up. Such
a run fails as a failing test does, so it is told apart by exit codes and by lines of
the runner's output, each runner's as data. Where single tests were reported, the check
did run.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from aideator.checks.dependencies import missing_dependency
from aideator.domain.check import NOT_FOUND, NOT_FOUND_NOTE, CheckResult

KILLED = "it was killed, as by a limit of memory or processes"
NO_TESTS = "no tests were found"
"""The reason where a runner started and found nothing to run."""
NOT_BUILT = "what set-up has built cannot be built again with this change"
"""The line that a check prints, and its reason, where that is so."""
_MAX_REASON = 200
_NOT_EXECUTABLE = 126
_KILLED = {137, -9}
"""Exit codes of a process that SIGKILL ended, of a shell and of Python."""


@dataclass(frozen=True)
class Startup:
    """How one runner says that it could not run.

    Attributes:
        exit_codes: The runner's own exit codes for it, and what they mean.
        lines: Matches the beginnings of lines that it prints then. The line is the
            reason.
        no_tests: Matches the beginnings of lines that say that it found no tests.
    """

    exit_codes: Mapping[int, str] = field(default_factory=dict)
    lines: str = ""
    no_tests: str = ""


_OUT_OF_REACH = r"(getaddrinfo )?(ENOTFOUND|EAI_AGAIN|ECONNREFUSED)"
_ANY = Startup(
    lines=rf"{NOT_BUILT}|"
    r"\S*python[\d.]*: (No module named \S+|can't open file)"
    r"|ModuleNotFoundError: No module named '(pytest|pluggy|tox|nox|unittest)\b"
    r"|make(\[\d+\])?: \*\*\* (No rule to make target|No targets specified"
    r"|.*\bError 12[67]\b)"
    r"|npm (error|ERR!) (Missing script"
    rf"|could not determine executable|code {_OUT_OF_REACH})"
    r"|(error: |ERR_PNPM_NO_SCRIPT )?(Script not found|Missing script)"
    r'|Usage Error: Couldn\'t find (a script|the binary)|error Command ".*" not found'
    r"|(\w*Error|node:internal.*): Cannot find (module|package) '(?![./#])"
    r"|(\w*Error \[ERR_MODULE_NOT_FOUND\]): Cannot find package '"
    r"|error: (Failed to spawn|Failed to fetch|No virtual environment found)"
    r"|Command not found: |.*exec: .*: executable file not found",
)
"""What any command may print, whichever runner it calls in the end."""

_CARGO = Startup(
    lines=r"error: (could not find `Cargo\.toml`|no such command"
    r"|failed to (parse manifest|get `|download|select a version|load source)"
    r"|no matching package|rustup could not choose a version)",
)

STARTUPS: Mapping[str, Startup] = {
    "pytest": Startup(
        # https://docs.pytest.org/en/stable/reference/exit-codes.html
        {
            3: "an internal error of pytest",
            4: "pytest was used wrongly, or its configuration is broken",
            5: NO_TESTS,
        },
        lines=r"ImportError while loading conftest|ERROR: (usage|file or directory)"
        r"|INTERNALERROR>|(E +)?pytest\.UsageError|.*: error: unrecognized arguments"
        r"|ERROR: .*(requires pytest-|Missing required plugins)",
    ),
    "unittest": Startup(
        {5: NO_TESTS},  # since Python 3.12
        lines=r"ImportError: Start directory is not importable",
        no_tests=r"Ran 0 tests in|NO TESTS RAN",
    ),
    "vitest": Startup(
        lines=r".*(Startup Error|failed to load config)|MISSING DEPENDENCY",
        no_tests=r"No test files found",
    ),
    "jest": Startup(
        lines=r"● (Validation Error|Multiple configurations found)"
        r"|Error: Jest: Failed to parse|Preset .* not found|Could not find a config",
        no_tests=r"No tests found, exiting with code 1",
    ),
    "node": Startup(no_tests=r"Could not find '"),
    "go": Startup(
        lines=r"go: (cannot find main module|errors parsing go\.mod|no such tool"
        r"|.*(module lookup disabled|no matching versions|toolchain not available))"
        r"|.*(missing go\.sum entry|cannot find module providing package"
        r"|no required module provides package \w+\.)",
        no_tests=r"go: warning: .* matched no packages|no packages to test",
    ),
    "nextest": _CARGO,
    "cargo": _CARGO,
    "maven": Startup(
        lines=r"\[ERROR\].*(Could not resolve dependencies|Non-resolvable parent POM"
        r"|No plugin found for prefix|Plugin .* could not be resolved"
        r"|there is no POM in this directory|No compiler is provided"
        r"|Non-parseable POM)|The JAVA_HOME environment variable",
        no_tests=r"\[ERROR\].*No tests were executed",
    ),
    "gradle": Startup(
        lines=r"(> )?(Could not resolve |Plugin \[id: .* was not found"
        r"|Could not (open|compile) (settings|build) file|Task '.*' not found in"
        r"|No cached version of|Could not determine java version)"
        r"|ERROR: JAVA_HOME|Exception in thread .*UnknownHostException"
        r"|Downloading https://services\.gradle\.org",
        no_tests=r"> No tests found for given includes",
    ),
}
"""By the names of `runners.RUNNERS`."""


def why_not_run(
    runner: str, result: CheckResult, dependencies: frozenset[str] = frozenset()
) -> str:
    """Return why a check could not run; empty where it did.

    Args:
        runner: The name of its runner; empty for an unknown one.
        result: Its result, with the tests that it reported.
        dependencies: The modules that the project declares as its dependencies.
    """
    if result.tests:
        return missing_dependency(result, dependencies)
    if result.exit_code is None:
        return result.note
    startup = STARTUPS.get(runner, _ANY)
    if _line(startup.no_tests, result.output):
        return NO_TESTS
    if result.passed:
        return ""
    line = _line(_ANY.lines, result.output) or _line(startup.lines, result.output)
    return line or _by_exit_code(startup, result)


def _by_exit_code(startup: Startup, result: CheckResult) -> str:
    """Return what the exit code says: the runner's own, or the shell's."""
    if known := startup.exit_codes.get(result.exit_code or 0):
        return known
    if result.exit_code == NOT_FOUND:
        return _last_line(result.output) or NOT_FOUND_NOTE
    if result.exit_code == _NOT_EXECUTABLE:
        return _last_line(result.output) or "the command cannot be executed"
    if result.exit_code in _KILLED:
        return KILLED
    return ""


def _line(pattern: str, output: str) -> str:
    """Return the first line of an output that begins as the pattern says."""
    if not pattern:
        return ""
    found = re.search(rf"^[ \t]*(?:{pattern}).*$", output, re.MULTILINE)
    return found[0].strip()[:_MAX_REASON] if found else ""


def _last_line(output: str) -> str:
    lines = output.split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "")[
        :_MAX_REASON
    ]


_MODULE = re.compile(r"No module named '?([A-Za-z_][\w-]*)")
_PROGRAM = re.compile(r"(?:\d+: |^|/)([\w.-]+): (?:command )?not found\b")


def missing_python_module(reason: str) -> str:
    """Return the Python module that a reason names as missing; empty for none."""
    found = _MODULE.search(reason) or _PROGRAM.search(reason)
    if found and (found.re is _MODULE or found[1] in {"pytest", "py.test", "tox"}):
        return found[1]
    return ""
