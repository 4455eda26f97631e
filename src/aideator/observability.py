"""Logs (structlog) and metrics (Prometheus).

Logs go to standard error: JSON for programs, colours for a terminal, where invisible
characters are spelled out. Prompts, keys, request headers and query strings are never
logged.
"""

import logging
import sys
from collections.abc import Sequence

import structlog
from prometheus_client import Counter, Gauge, Histogram

from aideator.domain.visible import visible_text

REQUESTS = Histogram(
    "aideator_http_request_seconds",
    "Time until an HTTP request was answered; streams are left out.",
    ["method", "route", "status"],
)
STREAMS = Gauge("aideator_streams_open", "Event streams that are open.")
RUNS = Counter("aideator_runs_submitted", "Runs that were accepted over HTTP.")


def configure_logging(*, debug: bool = False) -> None:
    """Send the logs of this process and its libraries to standard error.

    Args:
        debug: Also log messages for developers.
    """
    shared: Sequence[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    readable = sys.stderr.isatty()
    last: list[structlog.typing.Processor] = (
        [
            structlog.processors.format_exc_info,
            _spell_out,
            # Not structlog's own traceback, which prints the local variables.
            structlog.dev.ConsoleRenderer(
                exception_formatter=structlog.dev.plain_traceback
            ),
        ]
        if readable
        else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    )
    handler = logging.StreamHandler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *last,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.DEBUG if debug else logging.WARNING)
    logging.getLogger("aideator").setLevel(logging.DEBUG if debug else logging.INFO)
    for noisy in ("aiosqlite", "httpx2", "httpcore2", "asyncio"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def _spell_out(
    _: object, __: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """Spell out what a terminal would not show or would obey. JSON escapes it."""
    return {
        name: visible_text(value) if isinstance(value, str) else value
        for name, value in event.items()
    }
