"""How Dagger is to be used: what the settings say."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class DaggerOptions:
    """How Dagger is used. Every back end's `open` has the rest."""

    program: str = "dagger"
    """The CLI: a name on PATH, or a path."""
    image: str = "python:3.11-slim"
    """The container image: Python 3.11 or later; git and the agent's packages are added
    where they are missing."""
    runner_host: str | None = None
    """The engine, as the CLI's `_EXPERIMENTAL_DAGGER_RUNNER_HOST`; the CLI's own choice
    when absent."""
    cache_volume: str = ""
    """A cache volume for the platform's own downloads."""
    workdir: str = "/workspace"
    """Where the repository lies in the container."""
    engine_timeout: float = 600.0
    """Seconds until a container runs: starting the engine, pulling images and loading
    the module included."""
    log_output: bool = False
    """Whether the CLI's progress goes to this process's log."""
    server: Mapping[str, str] = field(default_factory=dict)
    """The server's environment, of which the CLI gets what it needs to reach its
    engine."""
