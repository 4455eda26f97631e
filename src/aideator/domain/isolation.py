"""What a sandbox has to hold, and what really held.

Apart from the runs that record it, so that a process which only opens sandboxes loads
no database library.
"""

from enum import StrEnum

from aideator.domain.base import FrozenModel


class IsolationPolicy(StrEnum):
    """The isolation that a sandbox must provide before anything runs in it.

    Each level includes the ones before it.
    """

    ANY = "any"
    """Whatever the back end provides; each variation records what that was."""
    CLOSED = "closed"
    """Nothing outside the sandbox is reachable except through the gateway, and through
    the gateway nothing that is not known to stay there."""
    ENFORCED = "enforced"
    """The kernel enforces the limits of memory, processors and number of processes, for
    all processes of a sandbox together."""


class Isolation(FrozenModel):
    """The isolation of a variation's sandbox, as it was enforced."""

    backend: str
    network: str
    """What processes in the sandbox can reach, such as "gateway only"."""
    limits: dict[str, str]
    """Each limit and what enforces it, such as `{"memory": "cgroup v2", "disk":
    "watchdog"}`."""
