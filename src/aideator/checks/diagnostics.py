"""Count what linters and type checkers complain about, where their output says so.

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


def count_findings(
    kind: Literal["test", "build", "lint", "types"], done: ExecResult
) -> int | None:
    """How many findings a check of lint or types reports; None for other checks, and where it cannot be told."""
    if kind not in {"lint", "types"} or done.truncated or done.exit_code is None:
        return None
    said = re.sub(
        r"\x1b\[[\d;]*m",
        "",
        (done.stdout + b"\n" + done.stderr).decode(errors="replace"),
    )
    for summary in _SUMMARIES:
        if found := summary.findall(said):
            return int(found[-1][:9])
    return len(_LINE.findall(said)) or (0 if done.exit_code == 0 else None)
