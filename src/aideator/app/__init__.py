"""The application facade: the command line and the HTTP API call only this."""

from aideator.app.facade import Aideator
from aideator.app.opening import open_app
from aideator.app.sources import source_policy

__all__ = [
    "Aideator",
    "open_app",
    "source_policy",
]
