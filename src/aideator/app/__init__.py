"""The façade: every door (command line, HTTP API) calls only this."""

from aideator.app.facade import (
    MIN_PROMPT,
    Aideator,
    Batch,
    Page,
    open_app,
    source_policy,
)

__all__ = ["MIN_PROMPT", "Aideator", "Batch", "Page", "open_app", "source_policy"]
