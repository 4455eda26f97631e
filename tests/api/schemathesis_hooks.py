"""What Schemathesis cannot read off the schema.

Loaded by its command line, see test_openapi.py.
"""

import os
from typing import Any

import schemathesis

REPOSITORY = "https://github.com/user/repo"
AT_HAND = os.environ.get("SCHEMATHESIS_REPOSITORY")
"""A repository on this machine, for what needs one that is really there."""


@schemathesis.hook
def before_call(context: schemathesis.HookContext, case: Any, kwargs: Any) -> None:
    # Only data that fits the schema: what breaks it on purpose must stay broken.
    if (
        case.meta is None
        or not case.meta.generation.mode.is_positive
        or not isinstance(case.body, dict)
    ):
        return
    for name in ("repo_url", "github_url"):
        if name in case.body:
            case.body[name] = (
                REPOSITORY  # the schema does not list the hosts that may be cloned from
            )
    case.body.pop("temperature", None)  # nor the models that take none
    if isinstance(examination := case.body.get("comparison"), dict):
        examination.pop("judge", None)  # nor whether there is a model that can be asked
    if case.path.endswith("/inspect"):
        case.body = {"repo_url": AT_HAND}
    if (case.query or {}).get("find_first"):
        case.body["repo_url"] = AT_HAND
        case.body.pop("github_url", None)
        case.body.pop("ref", None)
    if case.body.get("lineup"):
        case.body.pop("variations", None)  # two numbers that must agree
    case.body = whole(case.body)


def whole(value: Any) -> Any:
    """Write 9.0 as 9: JSON Schema calls both integers, but no client writes 9.0."""
    if isinstance(value, dict):
        return {name: whole(part) for name, part in value.items()}
    if isinstance(value, list):
        return [whole(part) for part in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
