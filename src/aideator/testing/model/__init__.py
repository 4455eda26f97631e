"""The scripted model: a server that speaks Anthropic's Messages API from a scenario file.

    python -m aideator.testing.model --scenario demo --port 0

It is what the keyless demo and the tests talk to; gateway, agent, sandbox and checks
are the real ones. It is started as a process (product code never imports this package),
or inside a test with `scripted_model`.

Odd on purpose: it keeps no conversation, everything follows from the request
(`scenario`, `script`); and it holds agents to the protocol, a request that the API
would refuse is refused (`protocol`).
"""

from aideator.testing.model.server import ScriptedModel, scripted_model
from aideator.testing.model.stage import Recorded

__all__ = ["Recorded", "ScriptedModel", "scripted_model"]
