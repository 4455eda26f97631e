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
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from aideator.checks import printed
from aideator.checks.dependencies import declared_modules
from aideator.checks.known_runners import QUIET, RUNNERS, UNKNOWN
from aideator.checks.runner import Runner
from aideator.domain.check import Check, TestResult
from aideator.repositories.untrusted_tree import read_regular_file

MAX_COMMAND = 100_000
"""Characters of a command. One argument of a Linux program ends at 128 KiB, and a
selection may name many tests."""


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
