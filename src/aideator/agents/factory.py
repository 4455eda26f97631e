"""Make a running agent from an entry of the lineup."""

import json
from typing import Any

from aideator.agents.acp import WALL_CLOCK_SECONDS, AcpAgent
from aideator.agents.base import Agent
from aideator.agents.catalog import Row, find
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
        runtime: Where its sandbox has our Python; null to show it this host's.
        wall_clock: Seconds that one turn may take.

    Raises:
        InvalidInput: if the catalogue has no such agent.
    """
    row = find(spec.agent)
    model = spec.model or row.models.default
    python = runtime or python_runtime()
    places = {
        "model": model,
        "settings": json.dumps(_settings(spec, row, model)),
        "python": python.executable,
        "packages": repr(list(python.packages)),
        "source": python.source,
    }
    binds = python.binds if row.runtime == "python" else ()
    return AcpAgent(
        row.command,
        env=row.env,
        places=places,
        binds=binds,
        memory=row.memory,
        wall_clock=wall_clock,
    )


def _settings(spec: AgentSpec, row: Row, model: str) -> dict[str, Any]:
    """Return the settings as our own agent reads them (`aideator.agents.builtin.loop.AgentSettings`)."""
    wanted = spec.model_dump(
        include={"temperature", "effort", "max_turns", "instructions"},
        exclude_defaults=True,
    )
    return {
        "model": model,
        "thinking": not row.models.reject("adaptive_thinking", model),
        **wanted,
    }
