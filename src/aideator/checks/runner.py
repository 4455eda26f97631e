"""What is known of a test runner: how it is recognised, reports, and selects tests."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from aideator.checks.printed import Reader
from aideator.domain.check import TestResult

PLACE = "/tmp/aideator"
"""Where reports go, inside: /tmp is the sandbox's own and no part of the tree."""
REPORTER = Path(__file__).with_name("reporter.mjs")
"""For `node --test`; it is written to PLACE before the command runs."""
JASMINE = Path(__file__).with_name("jasmine.mjs")
"""The like for jasmine."""
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
    files: tuple[Path, ...] = ()
    """Files of ours that it needs in PLACE, such as a reporter."""
    select: Select | None = None
    """Selects some of its tests; None if it cannot."""


JUNIT, JSON = "{report}.xml", "{report}.json"
"""Where a runner that is told so writes its report."""
