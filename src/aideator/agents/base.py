"""The port of an agent: it works on a prompt inside a sandbox."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Protocol

from aideator.eventlog.base import Draft
from aideator.sandbox.base import WORKSPACE, Bind, Sandbox


@dataclass(frozen=True)
class Task:
    """What an agent is asked to do in one turn."""

    prompt: str
    """For an agent without a memory: it says everything that there is to know."""
    memory: bytes = b""
    """What the agent kept when its last turn ended (`Agent.remember`); empty when it
    kept nothing."""
    follow_up: str = ""
    """What is asked instead of `prompt` if the agent has its memory again."""
    cwd: str = WORKSPACE
    """The directory in the sandbox where the agent starts."""


class Agent(Protocol):
    """An agent that is ready to work."""

    @property
    def binds(self) -> Sequence[Bind]:
        """Host folders that the sandbox must show for the agent to run in it."""
        ...

    def run(self, task: Task, sandbox: Sandbox, token: str) -> AsyncGenerator[Draft]:
        """Work on `task` in its directory and yield what happens until the turn ends.

        A turn that ended for another reason than being done yields an `ErrorRaised`
        last, whose reason is one of `max_turn_requests`, `max_tokens`, `refusal`,
        `cancelled`, `budget_exhausted`, `model_failed`, `agent_error`. Closing the
        generator cancels the turn and ends the agent's processes.

        Args:
            task: What to do.
            sandbox: Where to do it; its `gateway_url` is the agent's only way out.
            token: The lease by which the gateway knows the agent.

        Raises:
            AgentCrashed: if the process ended before the turn did.
            AgentTimeout: if the turn took longer than the agent's wall-clock limit.
            AgentProtocolError: if its output is not the Agent Client Protocol.
            OutputLimitExceeded: if its output is too long.
            SandboxLost: if the sandbox ended.
        """
        ...

    async def remember(self, sandbox: Sandbox) -> bytes:
        """Return what the agent keeps of the turn for the next one, or nothing.

        It is hostile: only the same variation's agent is ever given it, inside its own
        sandbox.

        Raises:
            SandboxLost: if the sandbox ended.
        """
        ...
