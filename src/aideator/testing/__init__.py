"""Test kit: conformance checks, abuse probes, the scripted model, the demo's project.

Shipped with the product, which uses it for the keyless demo.

Names are loaded on first use, so that a test of one part does not pay for the imports
of the others.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aideator.testing.conformance import check_sandbox
    from aideator.testing.demo_repo import make_demo_repo
    from aideator.testing.model import ScriptedModel, scripted_model

__all__ = ["ScriptedModel", "check_sandbox", "make_demo_repo", "scripted_model"]

_HOMES = {
    "ScriptedModel": "aideator.testing.model",
    "check_sandbox": "aideator.testing.conformance",
    "make_demo_repo": "aideator.testing.demo_repo",
    "scripted_model": "aideator.testing.model",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
