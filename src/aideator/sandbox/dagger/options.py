"""Options of the Dagger back end, as the settings name them."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class DaggerOptions:
    """How Dagger is used. What concerns one sandbox are arguments of `open`."""

    program: str = "dagger"
    """The CLI: a name on PATH, or a path."""
    image: str = "python:3.11-slim"
    """The container image, with Python 3.11 or later; git and the agent's packages are
    added where they are missing."""
    runner_host: str | None = None
    """The engine, as in the CLI's `_EXPERIMENTAL_DAGGER_RUNNER_HOST`; the CLI chooses
    one when None."""
    cache_volume: str = ""
    """Name of a cache volume for the platform's own downloads; none if empty."""
    workdir: str = "/workspace"
    """Directory of the repository in the container."""
    engine_timeout: float = 600.0
    """Seconds until a container runs, including starting the engine, pulling images and
    loading the module."""
    log_output: bool = False
    """Whether the CLI's progress is written to this process's log."""
    server: Mapping[str, str] = field(default_factory=dict)
    """The server's environment. The CLI gets those variables that it needs to reach its
    engine."""
