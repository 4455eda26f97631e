"""The port: somebody who works on a prompt inside a sandbox."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Protocol

from aideator.eventlog.base import Draft
from aideator.sandbox.base import Bind, Sandbox


@dataclass(frozen=True)
class Task:
    """What an agent is asked for in one turn."""

    prompt: str
    """For an agent that remembers nothing: it says all that there is to know."""
    memory: bytes = b""
    """What the agent left behind when its last turn ended (`Agent.remember`); empty
    when there is nothing."""
    follow_up: str = ""
    """What an agent is asked instead that has its memory again."""


class Agent(Protocol):
    """An agent, ready to work."""

    @property
    def binds(self) -> Sequence[Bind]:
        """What the sandbox must show for the agent to run in it."""
        ...

    def run(self, task: Task, sandbox: Sandbox, token: str) -> AsyncGenerator[Draft]:
        """Work on `task` in `/workspace` and yield what happens, as it happens, until the turn has ended.

        A turn that ended for another reason than being done yields an `ErrorRaised`
        last, whose reason is one of `max_turn_requests`, `max_tokens`, `refusal`,
        `cancelled`, `budget_exhausted`, `model_failed`, `agent_error`. Closing the
        generator cancels the turn and ends the agent's processes.

        Args:
            task: What to do.
            sandbox: Where to do it; its `gateway_url` is the agent's only way out.
            token: The lease that the gateway knows the agent by.

        Raises:
            AgentCrashed: if the process ended before the turn did.
            AgentTimeout: if the turn took longer than the agent's wall-clock limit.
            AgentProtocolError: if what it says is not the Agent Client Protocol.
            OutputLimitExceeded: if it says too much.
            SandboxLost: if the sandbox ended.
        """
        ...

    async def remember(self, sandbox: Sandbox) -> bytes:
        """What the agent keeps of the turn that has ended, for the next one; empty when it keeps nothing.

        It is hostile: nobody but the same variation's agent is ever given it, inside its own
        sandbox.

        Raises:
            SandboxLost: if the sandbox ended.
        """
        ...
