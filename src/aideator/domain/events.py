"""The events of a run, as one closed union on `kind`.

The kinds from `agent_output` to `plan` carry the data of the Agent Client Protocol as
upserts by id (ACP v2): a reader applies them in order and needs no earlier state.
https://agentclientprotocol.com/protocol/schema
"""

from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import AliasChoices, Field, JsonValue, TypeAdapter

from aideator.domain.base import FrozenModel
from aideator.domain.check import Check, CheckResult, Command
from aideator.domain.hosts import HostAnswer
from aideator.domain.isolation import Isolation
from aideator.domain.project import Origin, ProjectField
from aideator.domain.ranking import Evidence, Ranking
from aideator.domain.run import AgentSpec, ComposedPart, Publication, Run, RunStatus
from aideator.domain.usage import Usage
from aideator.domain.verdict import Verdict

SPEC = Field(validation_alias=AliasChoices("spec", "seat"))
"""The field `spec`, which stored logs of version 0.1 call `seat`."""


# Written when a run is accepted (`commit` is null), again when the repository has been
# fetched, and by a follow-up that opens the run again. A clone may take minutes:
# without the first event, a reader could not tell a new run's empty stream from a
# broken one. All are of one kind because a reader treats each alike: as the run's
# current state, never as a second run.
class RunStarted(FrozenModel):
    """The run was accepted, or its repository was fetched; the newest event applies."""

    kind: Literal["run_started"] = "run_started"
    repo_url: str
    path: str = ""
    """The folder of the repository that the run is about; empty for the root."""
    commit: str | None
    """Null while the repository is being fetched."""
    prompt: str
    variations: int
    checks: tuple[Check, ...]
    checks_guessed: bool = False
    """Whether the checks come from the repository because the submission has none."""
    setup: tuple[Command, ...] = ()
    protected: tuple[str, ...] = ()
    sources: dict[ProjectField, Origin] = Field(default_factory=dict)
    """Where set-up, checks and protected paths come from; empty while the repository is
    being fetched."""
    notes: tuple[str, ...] = ()
    """Remarks on how they were determined, such as why nothing is installed."""
    reused_from: str | None = None

    @classmethod
    def of(cls, run: Run) -> Self:
        """Return the event for a run's start, also when a follow-up opens it again."""
        return cls(
            repo_url=run.spec.repo_url,
            path=run.spec.path,
            commit=run.commit,
            prompt=run.spec.prompt,
            variations=run.spec.variations,
            checks=run.checks,
            checks_guessed=run.spec.checks is None,
            setup=run.setup,
            protected=run.protected,
            reused_from=run.reused_from,
        )


class VariationStarted(FrozenModel):
    """An attempt at the variation started.

    A second event for the same variation is a new attempt: discard what was shown of
    the earlier one.
    """

    kind: Literal["variation_started"] = "variation_started"
    spec: AgentSpec = SPEC
    attempt: int
    follow_up: str | None = None


class SandboxOpened(FrozenModel):
    """The variation's sandbox is open, and its agent starts in it."""

    kind: Literal["sandbox_opened"] = "sandbox_opened"


class AgentOutput(FrozenModel):
    """A piece of the agent's message or thought.

    Pieces with the same message id belong together.
    """

    kind: Literal["agent_output"] = "agent_output"
    channel: Literal["message", "thought"]
    text: str
    message_id: str | None = None


class TextContent(FrozenModel):
    """Text that a tool printed or returned."""

    type: Literal["text"] = "text"
    text: str


class DiffContent(FrozenModel):
    """A file that a tool changed, before and after."""

    type: Literal["diff"] = "diff"
    path: str
    old_text: str | None
    """Null for a new file."""
    new_text: str


ToolContent = Annotated[TextContent | DiffContent, Field(discriminator="type")]
ToolStatus = Literal["pending", "in_progress", "completed", "failed"]


class ToolCall(FrozenModel):
    """The agent called a tool."""

    kind: Literal["tool_call"] = "tool_call"
    tool_call_id: str
    title: str
    tool_kind: str = "other"
    """The ACP tool kind: read, edit, delete, move, search, execute, think, fetch or
    other."""
    status: ToolStatus = "pending"
    content: tuple[ToolContent, ...] = ()
    paths: tuple[str, ...] = ()
    """Files that the call concerns."""
    raw_input: JsonValue = None


class ToolCallUpdate(FrozenModel):
    """A tool call changed.

    A field that is null is unchanged; `content` replaces the earlier content.
    """

    kind: Literal["tool_call_update"] = "tool_call_update"
    tool_call_id: str
    title: str | None = None
    tool_kind: str | None = None
    status: ToolStatus | None = None
    content: tuple[ToolContent, ...] | None = None
    paths: tuple[str, ...] | None = None
    raw_input: JsonValue = None
    raw_output: JsonValue = None


class PlanEntry(FrozenModel):
    """One entry of a plan."""

    content: str
    priority: Literal["high", "medium", "low"] = "medium"
    status: Literal["pending", "in_progress", "completed"] = "pending"


class AgentPlan(FrozenModel):
    """The agent's current plan; it replaces the earlier one."""

    kind: Literal["plan"] = "plan"
    entries: tuple[PlanEntry, ...]


class UsageRecorded(FrozenModel):
    """What the variation has spent so far, as metered by the gateway."""

    kind: Literal["usage"] = "usage"
    usage: Usage
    model: str | None = None


class SetupRan(FrozenModel):
    """A set-up command ended.

    When the environment existed already, only its last command is reported, as
    `cached`.
    """

    kind: Literal["setup"] = "setup"
    result: CheckResult
    cached: bool = False
    hosts: tuple[str, ...] = ()
    """Servers (`host:port`) that set-up reached until then; those of all commands when
    `cached`."""
    refused: tuple[str, ...] = ()
    """Servers (`host:port`) that set-up asked for and nobody has allowed."""


class SetupOutput(FrozenModel):
    """A set-up command started, or printed another line.

    At most one such event a second is written, with the newest line.
    """

    kind: Literal["setup_output"] = "setup_output"
    command: str
    line: str = ""
    """The newest line that it printed, shortened; empty when the command starts."""


class HostAsked(FrozenModel):
    """Set-up asks for a host that nobody has allowed, and a person may answer.

    `POST /runs/{id}/hosts` does. Set-up waits; without an answer the host stays
    refused.
    """

    kind: Literal["host_asked"] = "host_asked"
    host: str
    """As `host:port`."""
    asked_by: str
    """The command that asked for it, or `.aideator.toml`."""


class HostAnswered(FrozenModel):
    """The question about a host was answered, or nobody is asked any more."""

    kind: Literal["host_answered"] = "host_answered"
    host: str
    answer: HostAnswer


# Has no fields. Without it the first event after the agent's last output would be the
# result of the first check, minutes later with a slow suite, and a watcher would show
# "writing" until then. Logs that are older than this kind lack it.
class Checking(FrozenModel):
    """The agent's turn is over; its change is extracted and checked."""

    kind: Literal["checking", "judging"] = "checking"
    """Stored logs of version 0.1 call it `judging`."""


class CheckRun(FrozenModel):
    """A check ended: on the base commit (no variation id) or on base + patch."""

    kind: Literal["check"] = "check"
    result: CheckResult


class VariationFinished(FrozenModel):
    """The variation finished and has a verdict."""

    kind: Literal["variation_finished"] = "variation_finished"
    verdict: Verdict
    isolation: Isolation


class VariationFailed(FrozenModel):
    """The variation failed. The others go on."""

    kind: Literal["variation_failed"] = "variation_failed"
    reason: str
    message: str


class VariationAdded(FrozenModel):
    """A variation was added: a further agent, or one composed from others."""

    kind: Literal["variation_added"] = "variation_added"
    spec: AgentSpec = SPEC
    composed: tuple[ComposedPart, ...] = ()


class FlagsCleared(FrozenModel):
    """A person cleared the variation's flags."""

    kind: Literal["cleared"] = "cleared"
    reason: str = ""


class EvidenceGathered(FrozenModel):
    """The variations were tested against each other; the newest event applies."""

    kind: Literal["evidence"] = "evidence"
    evidence: Evidence


class VerdictReached(FrozenModel):
    """The platform compared and ranked the variations."""

    kind: Literal["verdict"] = "verdict"
    ranking: Ranking


class Selected(FrozenModel):
    """A person, or a reused decision, selected the winner."""

    kind: Literal["selected"] = "selected"
    winning_variation_id: int
    reason: str = ""


class Deselected(FrozenModel):
    """The decision was undone."""

    kind: Literal["deselected"] = "deselected"


class Published(FrozenModel):
    """The winner was pushed, with a pull request if one was requested."""

    kind: Literal["published"] = "published"
    publication: Publication


class ErrorRaised(FrozenModel):
    """An error occurred that does not by itself end the variation or the run."""

    kind: Literal["error"] = "error"
    reason: str
    message: str


class Complete(FrozenModel):
    """The run is over. Only a follow-up adds further events."""

    kind: Literal["complete"] = "complete"
    status: RunStatus


EventBody = Annotated[
    RunStarted
    | VariationAdded
    | VariationStarted
    | SandboxOpened
    | AgentOutput
    | ToolCall
    | ToolCallUpdate
    | AgentPlan
    | UsageRecorded
    | SetupOutput
    | SetupRan
    | HostAsked
    | HostAnswered
    | Checking
    | CheckRun
    | VariationFinished
    | VariationFailed
    | FlagsCleared
    | EvidenceGathered
    | VerdictReached
    | Selected
    | Deselected
    | Published
    | ErrorRaised
    | Complete,
    Field(discriminator="kind"),
]

EventBodyAdapter: TypeAdapter[EventBody] = TypeAdapter(EventBody)


class Event(FrozenModel):
    """One event. `seq` has no gaps within a run and is the event id on the stream."""

    seq: int
    run_id: str
    variation_id: int | None = None
    attempt: int | None = None
    """The attempt that wrote the event."""
    at: datetime
    body: EventBody
