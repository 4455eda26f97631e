"""The errors that AIdeator expects.

    AideatorError
    ├── InvalidInput            422  a submission is wrong; the fields are named
    ├── NotFound                404
    ├── Conflict                409  the current state does not allow the operation
    ├── NotAllowed              403
    ├── Unauthorized            401
    ├── TooManyRequests         429
    ├── RepositoryError         422  a repository cannot be fetched or read
    ├── SetupFailed             422  a set-up command failed on the base commit
    ├── CheckCannotRun          422  a check cannot run on the base commit
    ├── ForgeRefused            502  a forge did not open the pull request
    ├── PortNotOpen             502  nothing listens on that port of the sandbox
    ├── Unavailable             503  the machine lacks something that is needed
    │   ├── ModelUnavailable
    │   │   └── ModelRefusesKey
    │   └── SandboxUnavailable
    │       └── IsolationTooWeak
    ├── Fenced                  409  a newer attempt owns the variation
    └── VariationError               one variation failed; the others go on
        ├── AgentCrashed · AgentTimeout · AgentProtocolError
        ├── ModelFailed · BudgetExhausted
        ├── SandboxLost
        │   └── EngineLost               a new attempt is made
        ├── DiskLimitExceeded · OutputLimitExceeded
        ├── PatchRejected
        ├── Cancelled
        └── CrashLoop

The first line of a class's docstring is its default message. `status` is the HTTP
status of the API's response, `hint` says what to do next, and further facts are
attributes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar


class AideatorError(Exception):
    """AIdeator could not do what was asked.

    Args:
        message: What happened and why; the first line of the docstring when empty.
        hint: What to do next; the class's own hint when empty.
    """

    status: ClassVar[int] = 500
    """The HTTP status of the API's response."""
    hint: str = ""
    """What to do next."""

    def __init__(self, message: str = "", *, hint: str = "") -> None:
        super().__init__(
            message or (type(self).__doc__ or "").strip().partition("\n")[0]
        )
        if hint:
            self.hint = hint


@dataclass(frozen=True)
class FieldError:
    """One invalid field of a submission."""

    field: str
    message: str


class InvalidInput(AideatorError):
    """The submission is not valid.

    Args:
        message: What is wrong; made from `fields` when empty.
        fields: The invalid fields.
        hint: What to do next.
    """

    status = 422

    def __init__(
        self, message: str = "", *, fields: Sequence[FieldError] = (), hint: str = ""
    ) -> None:
        self.fields = tuple(fields)
        super().__init__(
            message or "; ".join(f"{e.field}: {e.message}" for e in self.fields),
            hint=hint,
        )


class UnknownName(InvalidInput):
    """A well-formed request names something that does not exist here."""

    status = 404


class NotFound(AideatorError):
    """The requested object does not exist."""

    status = 404


class Conflict(AideatorError):
    """The current state does not allow this operation."""

    status = 409


class NotAllowed(AideatorError):
    """This operation is not allowed on this server."""

    status = 403


class Unauthorized(AideatorError):
    """A valid API key is required."""

    status = 401


class TooManyRequests(AideatorError):
    """Too many requests were made in a short time."""

    status = 429


class RepositoryError(AideatorError):
    """The repository cannot be fetched or read."""

    status = 422


class SetupFailed(AideatorError):
    """A set-up command failed, so the run has no environment to work in."""

    status = 422
    hint = (
        "correct the command, or run without set-up: `setup: []`, on the command line"
        " --no-setup"
    )


class CheckCannotRun(AideatorError):
    """A check cannot run on the base commit, so it could prove nothing.

    Args:
        message: Which check, and why.
        output: The end of what it printed.
        hint: What to do next.
    """

    status = 422
    hint = "correct the check, or go on without it: `keep_going`, --keep-going"

    def __init__(self, message: str = "", *, output: str = "", hint: str = "") -> None:
        self.output = output
        super().__init__(message, hint=hint)


class ForgeRefused(AideatorError):
    """The forge did not open the pull request."""

    status = 502


class PortNotOpen(AideatorError):
    """No process listens on that port of the sandbox."""

    status = 502


class Unavailable(AideatorError):
    """This machine lacks something that the operation needs."""

    status = 503


class ModelUnavailable(Unavailable):
    """The model's server cannot be used."""


class ModelRefusesKey(ModelUnavailable):
    """The model's server refuses the API key."""


class SandboxUnavailable(Unavailable):
    """No sandbox can be opened on this machine."""

    hint = "run `aideator doctor`: it shows what is missing and how to install it"


class IsolationTooWeak(SandboxUnavailable):
    """The sandbox isolates less than ISOLATION_POLICY requires."""

    hint = (
        "close what is open (docs/how-to/dagger.md), or set a weaker ISOLATION_POLICY"
    )


class Fenced(AideatorError):
    """A newer attempt owns this variation."""

    status = 409


class VariationError(AideatorError):
    """The variation failed."""


class AgentCrashed(VariationError):
    """The agent's process ended before its turn was over."""


class AgentTimeout(VariationError):
    """The agent did not finish within its wall-clock limit."""


class AgentProtocolError(VariationError):
    """The agent sent a message that violates the Agent Client Protocol."""


class ModelFailed(VariationError):
    """The model did not answer, and the agent changed nothing."""


class BudgetExhausted(VariationError):
    """The budget was spent before the agent changed anything."""


class SandboxLost(VariationError):
    """The sandbox ended unexpectedly."""


class EngineLost(SandboxLost):
    """The container engine that ran the sandbox stopped.

    Neither the agent nor the run caused it, so a new attempt is made.
    """


class DiskLimitExceeded(VariationError):
    """The variation wrote more than its disk limit."""


class OutputLimitExceeded(VariationError):
    """The process printed more than its output limit."""


class PatchRejected(VariationError):
    """The change cannot be extracted from the sandbox as a patch."""


class Cancelled(VariationError):
    """The user stopped the variation."""


class CrashLoop(VariationError):
    """The variation was started too often without finishing."""
