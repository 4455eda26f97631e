"""The application facade: the command line and the HTTP API call only this."""

from aideator.app.facade import Aideator, Batch
from aideator.app.opening import open_app
from aideator.app.pages import NEWEST, Page, newest, only_match
from aideator.app.sources import source_policy

__all__ = [
    "NEWEST",
    "Aideator",
    "Batch",
    "Page",
    "newest",
    "only_match",
    "open_app",
    "source_policy",
]
