"""Everything that can happen in a run, as one closed union on `kind`.

The middle kinds carry the words of the Agent Client Protocol, shaped as upserts by id
(ACP v2), so that a reader may apply them in order without asking what came before.
https://agentclientprotocol.com/protocol/schema
"""

from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, JsonValue, TypeAdapter

from aideator.domain.check import Check, CheckResult, Command
from aideator.domain.project import Finding, Origin
from aideator.domain.ranking import Evidence, Ranking
from aideator.domain.run import AgentSpec, Isolation, Part, Publication, Run, RunStatus
from aideator.domain.usage import Usage
from aideator.domain.verdict import Verdict


class _Body(BaseModel):
    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True
    )


SPEC = Field(validation_alias=AliasChoices("spec", "seat"))
"""Stored logs of version 0.1 call the field `seat`."""


# Written when a run is accepted (`commit` is null), again when the repository is at
# hand, and by a follow-up that opens the run again. A clone may take minutes: without
# the first one, a reader could not tell a new run's empty stream from a broken one. The
# kind is the same because a reader does the same with each: take it for the present
# state, never for a second run.
class RunStarted(_Body):
    """The run was accepted; and again, with what was found out, when the repository is at hand."""

    kind: Literal["run_started"] = "run_started"
    repo_url: str
    commit: str | None
    """Null while the repository is being fetched."""
    prompt: str
    variations: int
    checks: tuple[Check, ...]
    checks_guessed: bool = False
    """Whether the submission left it to the repository what the checks are."""
    setup: tuple[Command, ...] = ()
    protected: tuple[str, ...] = ()
    sources: dict[Finding, Origin] = Field(default_factory=dict)
    """Where each of them is from; empty while the repository is being fetched."""
    notes: tuple[str, ...] = ()
    """What a reader should know of how they were found."""
    reused_from: str | None = None

    @classmethod
    def of(cls, run: Run) -> Self:
        """The beginning of a run's course, also when a follow-up opens it again."""
        return cls(
            repo_url=run.spec.repo_url,
            commit=run.commit,
            prompt=run.spec.prompt,
            variations=run.spec.variations,
            checks=run.checks,
            checks_guessed=run.spec.checks is None,
            setup=run.setup,
            protected=run.protected,
            reused_from=run.reused_from,
        )


class VariationStarted(_Body):
    """A worker took the variation up.

    A second one for the same variation is a new attempt: begin its lane anew.
    """

    kind: Literal["variation_started"] = "variation_started"
    spec: AgentSpec = SPEC
    attempt: int
    follow_up: str | None = None


class AgentOutput(_Body):
    """A piece of what the agent says.

    Pieces with the same message id belong together.
    """

    kind: Literal["agent_output"] = "agent_output"
    channel: Literal["message", "thought"]
    text: str
    message_id: str | None = None


class TextContent(_Body):
    """Text that a tool printed or returned."""

    type: Literal["text"] = "text"
    text: str


class DiffContent(_Body):
    """A file as a tool changed it."""

    type: Literal["diff"] = "diff"
    path: str
    old_text: str | None
    """Null for a new file."""
    new_text: str


ToolContent = Annotated[TextContent | DiffContent, Field(discriminator="type")]
ToolStatus = Literal["pending", "in_progress", "completed", "failed"]


class ToolCall(_Body):
    """The agent uses a tool."""

    kind: Literal["tool_call"] = "tool_call"
    tool_call_id: str
    title: str
    tool_kind: str = "other"
    """ACP's tool kind: read, edit, delete, move, search, execute, think, fetch,
    other."""
    status: ToolStatus = "pending"
    content: tuple[ToolContent, ...] = ()
    paths: tuple[str, ...] = ()
    """Files that the call is about."""
    raw_input: JsonValue = None


class ToolCallUpdate(_Body):
    """News of a tool call.

    A field that is null is unchanged; content replaces what was there.
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


class PlanEntry(_Body):
    """One line of a plan."""

    content: str
    priority: Literal["high", "medium", "low"] = "medium"
    status: Literal["pending", "in_progress", "completed"] = "pending"


class Plan(_Body):
    """The agent's plan as it stands now; it replaces the one before."""

    kind: Literal["plan"] = "plan"
    entries: tuple[PlanEntry, ...]


class UsageRecorded(_Body):
    """What the variation has spent so far, as the gateway counts it."""

    kind: Literal["usage"] = "usage"
    usage: Usage
    model: str | None = None


class SetupRan(_Body):
    """A set-up command ended.

    When the environment was there already, only the last one is told, as `cached`.
    """

    kind: Literal["setup"] = "setup"
    result: CheckResult
    cached: bool = False


# Carries nothing. Without it the first event after the agent's last word would be the
# result of the first check, minutes later with a slow suite, and a watcher would see
# "writing" until then. Logs from before this kind lack it.
class Checking(_Body):
    """The agent's turn is over: what it changed is taken out and checked."""

    kind: Literal["checking", "judging"] = "checking"
    """`judging` in stored logs of version 0.1."""


class CheckRun(_Body):
    """A check ended: on the base (no variation id) or on base + patch."""

    kind: Literal["check"] = "check"
    result: CheckResult


class VariationFinished(_Body):
    """The variation is done and judged."""

    kind: Literal["variation_finished"] = "variation_finished"
    verdict: Verdict
    isolation: Isolation


class VariationFailed(_Body):
    """The variation came to nothing. The others go on."""

    kind: Literal["variation_failed"] = "variation_failed"
    reason: str
    message: str


class VariationAdded(_Body):
    """Another variation joined the run: a further agent, or one composed from parts of others."""

    kind: Literal["variation_added"] = "variation_added"
    spec: AgentSpec = SPEC
    composed: tuple[Part, ...] = ()


class FlagsCleared(_Body):
    """A person lets the variation's flags pass."""

    kind: Literal["cleared"] = "cleared"
    reason: str = ""


class EvidenceGathered(_Body):
    """The variations were run against each other; the newest one holds."""

    kind: Literal["evidence"] = "evidence"
    evidence: Evidence


class VerdictReached(_Body):
    """The platform compared the variations."""

    kind: Literal["verdict"] = "verdict"
    ranking: Ranking


class Selected(_Body):
    """A person (or a reused decision) chose the winner."""

    kind: Literal["selected"] = "selected"
    winning_variation_id: int
    reason: str = ""


class Deselected(_Body):
    """The decision was undone."""

    kind: Literal["deselected"] = "deselected"


class Published(_Body):
    """The winner was pushed, and a pull request opened where that was asked for."""

    kind: Literal["published"] = "published"
    publication: Publication


class ErrorRaised(_Body):
    """Something went wrong that does not end the variation or run by itself."""

    kind: Literal["error"] = "error"
    reason: str
    message: str


class Complete(_Body):
    """Nothing more will happen, unless somebody asks for a follow-up."""

    kind: Literal["complete"] = "complete"
    status: RunStatus


Body = Annotated[
    RunStarted
    | VariationAdded
    | VariationStarted
    | AgentOutput
    | ToolCall
    | ToolCallUpdate
    | Plan
    | UsageRecorded
    | SetupRan
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

BodyAdapter: TypeAdapter[Body] = TypeAdapter(Body)


class Event(BaseModel):
    """One thing that happened. `seq` is dense per run and is the id on the stream."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True
    )

    seq: int
    run_id: str
    variation_id: int | None = None
    attempt: int | None = None
    """The attempt that wrote the event."""
    at: datetime
    body: Body
