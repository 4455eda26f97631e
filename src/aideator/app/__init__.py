"""The application facade: the command line and the HTTP API call only this."""

from aideator.app.facade import Aideator
from aideator.app.opening import open_app
from aideator.app.sources import source_policy
from aideator.app.validation import MIN_PROMPT

__all__ = [
    "MIN_PROMPT",
    "Aideator",
    "open_app",
    "source_policy",
]
