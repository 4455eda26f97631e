"""The errors that a server's problem documents stand for (RFC 9457)."""

import json

from aideator.domain.errors import (
    AideatorError,
    Conflict,
    FieldError,
    InvalidInput,
    NotFound,
    TooManyRequests,
    Unavailable,
)
from aideator.domain.problem_hints import HINTS

_KEY_HINT = (
    "`export AIDEATOR_API_KEY=…` with a key of that server; `aideator key create NAME` "
    "there makes one"
)
_KINDS = {
    kind.status: kind for kind in (InvalidInput, NotFound, Conflict, TooManyRequests)
}
"""Errors, by HTTP status, that a command handles."""


def error_of(status: int, content: bytes, address: str) -> AideatorError:
    """Return the error that an answer stands for.

    Args:
        status: The HTTP status, 400 or more.
        content: The body.
        address: Who answered.
    """
    try:
        problem = json.loads(content)
    except ValueError:
        return Unavailable(f"{address} answered {status}", hint="is that an AIdeator?")
    hint = _KEY_HINT if status == 401 else problem.get("hint", "")
    if hint == HINTS.get(status):
        hint = ""  # it speaks of the answer's fields, to programs
    fields = [FieldError(e["field"], e["message"]) for e in problem.get("errors", [])]
    if fields:
        return InvalidInput(fields=fields, hint=hint)
    message = problem.get("detail", f"status {status}")
    return _KINDS.get(status, AideatorError)(message, hint=hint)
