"""Every error that AIdeator expects, as one tree.

    AideatorError
    ├── InvalidInput            422  the submission itself is wrong, field by field
    ├── NotFound                404
    ├── Conflict                409  the move is not legal in the present state
    ├── NotAllowed              403
    ├── Unauthorized            401
    ├── TooManyRequests         429
    ├── RepositoryError         422  the source cannot be had
    ├── SetupFailed             422  a set-up command failed on the base
    ├── ForgeRefused            502  a forge did not open the pull request
    ├── NobodyListens           502  no process listens at that port of the sandbox
    ├── Unavailable             503  the machine lacks something that a run needs
    │   └── SandboxUnavailable
    │       └── IsolationTooWeak
    ├── Fenced                  409  a newer attempt has taken over
    └── VariationError               one variation failed; the others go on
        ├── AgentCrashed · AgentTimeout · AgentProtocolError
        ├── ModelFailed · BudgetExhausted
        ├── SandboxLost
        │   └── EngineLost               a new attempt is made
        ├── DiskLimitExceeded · OutputLimitExceeded
        ├── PatchRejected
        ├── Cancelled
        └── CrashLoop

The docstring is the default message; facts are attributes; `status` is the HTTP status
a door answers with; `hint` says what to do next.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar


class AideatorError(Exception):
    """Something that AIdeator expects went wrong."""

    status: ClassVar[int] = 500
    hint: str = ""

    def __init__(self, message: str = "", *, hint: str = "") -> None:
        super().__init__(
            message or (type(self).__doc__ or "").strip().partition("\n")[0]
        )
        if hint:
            self.hint = hint


@dataclass(frozen=True)
class FieldError:
    """One wrong field of a submission."""

    field: str
    message: str


class InvalidInput(AideatorError):
    """The submission is not valid."""

    status = 422

    def __init__(
        self, message: str = "", *, fields: Sequence[FieldError] = (), hint: str = ""
    ) -> None:
        self.fields = tuple(fields)
        super().__init__(
            message or "; ".join(f"{e.field}: {e.message}" for e in self.fields),
            hint=hint,
        )


class NotFound(AideatorError):
    """There is no such thing here."""

    status = 404


class Conflict(AideatorError):
    """The present state does not allow this."""

    status = 409


class NotAllowed(AideatorError):
    """This is not allowed here."""

    status = 403


class Unauthorized(AideatorError):
    """A valid API key is needed."""

    status = 401


class TooManyRequests(AideatorError):
    """Too many requests."""

    status = 429


class RepositoryError(AideatorError):
    """The repository cannot be had."""

    status = 422


class SetupFailed(AideatorError):
    """A set-up command failed, so no environment could be made for the run."""

    status = 422
    hint = "mend the command, or go without set-up: `setup: []`, on the command line --no-setup"


class ForgeRefused(AideatorError):
    """The forge did not open the pull request."""

    status = 502


class NobodyListens(AideatorError):
    """No process listens at that port of the sandbox."""

    status = 502


class Unavailable(AideatorError):
    """The machine lacks something that this needs."""

    status = 503


class SandboxUnavailable(Unavailable):
    """No sandbox can be opened on this machine."""

    hint = "run `aideator doctor`: it says what is missing and how to get it"


class IsolationTooWeak(SandboxUnavailable):
    """The sandbox holds less than ISOLATION_POLICY asks for."""

    hint = "close what is open (docs/how-to/dagger.md), or ask for less with ISOLATION_POLICY"


class Fenced(AideatorError):
    """A newer attempt has taken this variation over."""

    status = 409


class VariationError(AideatorError):
    """This variation failed."""


class AgentCrashed(VariationError):
    """The agent's process ended before its turn did."""


class AgentTimeout(VariationError):
    """The agent did not finish within its wall-clock limit."""


class AgentProtocolError(VariationError):
    """The agent said something that is not the Agent Client Protocol."""


class ModelFailed(VariationError):
    """The model did not answer, and the agent changed nothing."""


class BudgetExhausted(VariationError):
    """The budget was spent before the agent changed anything."""


class SandboxLost(VariationError):
    """The sandbox ended unexpectedly."""


class EngineLost(SandboxLost):
    """The engine that ran the container went away.

    That is nobody's fault here: the variation is taken up again.
    """


class DiskLimitExceeded(VariationError):
    """The variation wrote more than its disk limit."""


class OutputLimitExceeded(VariationError):
    """The process printed more than its output limit."""


class PatchRejected(VariationError):
    """The change cannot be taken out of the sandbox as a patch."""


class Cancelled(VariationError):
    """Stopped by the user."""


class CrashLoop(VariationError):
    """The variation was taken up too often without finishing."""
