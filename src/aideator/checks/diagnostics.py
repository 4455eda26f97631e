"""Count the findings of linters and type checkers, where their output says so.

Shown, never deciding.
"""

import re
from typing import Literal

from aideator.sandbox.base import ExecResult

_SUMMARIES = (
    re.compile(r"^Found (\d+) errors?\b", re.MULTILINE),  # ruff, mypy, tsc (for people)
    re.compile(r"✖ (\d+) problems?\b"),  # eslint
    re.compile(r"^(\d+) errors?, \d+ warnings?", re.MULTILINE),  # pyright
    re.compile(r"^(\d+) issues?:?$", re.MULTILINE),  # golangci-lint
    re.compile(r"^Found (\d+) diagnostics?$", re.MULTILINE),  # ty
)
_LINE = re.compile(r"^(\.?[\w./@+-]+)[:(]\d+([:,]\d+)?[):]*:? ", re.MULTILINE)
"""`path:line:column: …` or `path(line,column): …`, one finding a line: flake8, pylint,
tsc, go vet, gcc."""
_COLOUR = re.compile(r"\x1b\[[\d;]*m")


def count_findings(
    kind: Literal["test", "build", "lint", "types"], done: ExecResult
) -> int | None:
    """Return how many findings a lint or type check reports.

    None for other checks, and where its output does not say.
    """
    if kind not in {"lint", "types"} or done.truncated or done.exit_code is None:
        return None
    text = (done.stdout + b"\n" + done.stderr).decode(errors="replace")
    text = _COLOUR.sub("", text)
    for summary in _SUMMARIES:
        if found := summary.findall(text):
            return int(found[-1][:9])  # hostile input: a bounded number
    if lines := len(_LINE.findall(text)):
        return lines
    return 0 if done.exit_code == 0 else None
