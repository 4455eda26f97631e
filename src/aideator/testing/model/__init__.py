"""The scripted model: an Anthropic Messages API server that follows a scenario file.

    python -m aideator.testing.model --scenario demo --port 0

The keyless demo and the tests use it; gateway, agent, sandbox and checks are the real
ones. It is started as a process (product code never imports this package), or inside a
test by `scripted_model`.

Odd on purpose: it stores no conversation, because everything follows from the request
(`scenario`, `script`); and it enforces the protocol: a request that the API would
refuse is refused (`protocol`).
"""

from aideator.testing.model.api import Recorded
from aideator.testing.model.server import ScriptedModel, scripted_model

__all__ = ["Recorded", "ScriptedModel", "scripted_model"]
