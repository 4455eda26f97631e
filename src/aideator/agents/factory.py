"""Make an agent from its specification and the catalogue."""

import json
from typing import Any

from aideator.agents.acp import WALL_CLOCK_SECONDS, AcpAgent
from aideator.agents.base import Agent
from aideator.agents.catalog import AgentEntry, find
from aideator.agents.runtime import python_runtime
from aideator.domain.run import AgentSpec
from aideator.sandbox.base import PythonRuntime


def make_agent(
    spec: AgentSpec,
    runtime: PythonRuntime | None = None,
    *,
    wall_clock: float = WALL_CLOCK_SECONDS,
) -> Agent:
    """Make the agent that a specification describes.

    Args:
        spec: Which agent, with which model and settings.
        runtime: Where its sandbox has our Python; None to show it this host's.
        wall_clock: Seconds that one turn may take.

    Raises:
        InvalidInput: if the catalogue has no such agent.
    """
    entry = find(spec.agent)
    model = spec.model or entry.models.default
    python = runtime or python_runtime()
    placeholders = {
        "model": model,
        "settings": json.dumps(_settings(spec, entry, model)),
        "python": python.executable,
        "packages": repr(list(python.packages)),
        "source": python.source,
    }
    binds = python.binds if entry.runtime == "python" else ()
    return AcpAgent(
        entry.command,
        env=entry.env,
        placeholders=placeholders,
        binds=binds,
        memory=entry.memory,
        wall_clock=wall_clock,
    )


def _settings(spec: AgentSpec, entry: AgentEntry, model: str) -> dict[str, Any]:
    """Return the settings as the built-in agent reads them (`loop.AgentSettings`)."""
    wanted = spec.model_dump(
        include={"temperature", "effort", "max_turns", "instructions"},
        exclude_defaults=True,
    )
    return {
        "model": model,
        "thinking": not entry.models.reject("adaptive_thinking", model),
        **wanted,
    }
