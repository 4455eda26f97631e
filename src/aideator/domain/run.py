"""Runs: the submitted spec, the run with its variations, and their states."""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Literal, Self, get_args

from pydantic import AfterValidator, AliasChoices, Field, model_validator
from sqlmodel import SQLModel

from aideator.domain.base import FrozenModel
from aideator.domain.check import Check, Command
from aideator.domain.errors import Conflict
from aideator.domain.hosts import HOST_PATTERN, MAX_HOST
from aideator.domain.isolation import Isolation
from aideator.domain.ranking import Evidence, Ranking
from aideator.domain.usage import Budget, Usage
from aideator.domain.verdict import Verdict

MAX_PROMPT = 100_000
"""Upper limit for a prompt's characters. The setting MAX_PROMPT_LENGTH may set a lower
one."""
MAX_LINEUP = 100
"""Upper limit for agents in one run. The setting MAX_VARIATIONS may set a lower one."""
MAX_COMPOSED = 50
"""Upper limit for variations of a run that are composed from others."""
MAX_NUMBER = MAX_LINEUP + MAX_COMPOSED
"""Highest possible number of a variation."""
MIN_PROMPT = 3
"""Fewest characters of a prompt: "Add CI" is a task, and so are three ideographs."""


def now() -> datetime:
    """Return the current time in UTC, timezone-aware."""
    return datetime.now(UTC)


Effort = Literal["low", "medium", "high", "xhigh", "max"]
EFFORTS: tuple[Effort, ...] = get_args(Effort)


class AgentConfig(FrozenModel):
    """Settings of an agent. A field that is absent leaves the agent's own default."""

    model: str | None = Field(
        default=None, max_length=120, examples=["claude-opus-5-5"]
    )
    """The model's id in its provider's API."""
    temperature: float | None = Field(default=None, ge=0, le=1, strict=True)
    """Sampling temperature. Rejected at submission if the model does not accept one."""
    effort: Effort | None = None
    """The model's reasoning effort."""
    max_turns: int | None = Field(default=None, ge=1, le=1000, strict=True)
    """Number of model calls after which the agent stops."""
    instructions: str = Field(default="", max_length=4000)
    """A strategy for this agent, appended to the agent's own instructions."""


class AgentSpec(AgentConfig):
    """One agent of the lineup: agent × model × effort × strategy."""

    agent: str = Field(default="builtin", min_length=1, max_length=60)
    """The agent's name in the catalogue (`GET /agents`)."""


class Comparison(FrozenModel):
    """How the platform compares the variations, and the limits for doing so."""

    cross_tests: bool = Field(default=True, strict=True)
    """Run the tests that each variation wrote on all other variations."""
    reruns: int = Field(default=2, ge=0, le=10, strict=True)
    """How often a test that failed or is new is repeated before its result counts."""
    sandboxes: int = Field(default=200, ge=0, le=10_000, strict=True)
    """Maximum number of sandboxes for cross-tests."""
    seconds: float = Field(default=900, ge=0, le=86_400, strict=True)
    """Maximum time for cross-tests, in seconds."""
    judge: AgentConfig | None = None
    """A model that judges ties, blinded and in both orders; no model when null. Its
    calls cost money."""


class ComposedPart(FrozenModel):
    """Changes that a composed variation takes from another variation."""

    variation_id: int = Field(ge=1, le=MAX_NUMBER, strict=True)
    path: str = Field(min_length=1, max_length=4096)
    """Path of a file in that variation's diff."""
    hunks: (
        Annotated[
            tuple[Annotated[int, Field(ge=0, strict=True)], ...], Field(min_length=1)
        ]
        | None
    ) = None
    """Numbers of the file's hunks, from 0; the whole file when null."""


def _normalize_folder(text: str) -> str:
    """Return a folder's path without `.` and slashes at its ends.

    Raises:
        ValueError: if it leads out of the repository, or into `.git`.
    """
    parts = [part for part in text.split("/") if part not in {"", "."}]
    if text.startswith("/"):
        raise ValueError("a folder is named from the repository's root, without /")
    if ".." in parts:
        raise ValueError("a folder is inside the repository, so .. is not allowed")
    if any(part.lower() == ".git" for part in parts) or "\0" in text:
        raise ValueError("there can be no such folder in a commit")
    return "/".join(parts)


FolderPath = Annotated[
    str,
    Field(max_length=3000, examples=["packages/app"]),
    AfterValidator(_normalize_folder),
]
"""A folder of a repository, relative to its root; empty for the root."""


IgnoredFile = Annotated[
    str, Field(min_length=1, max_length=3000), AfterValidator(_normalize_folder)
]
"""A file of a repository, relative to its root."""


class RunSpec(FrozenModel):
    """A submission, identical in the API, on the command line and in a YAML file."""

    repo_url: str = Field(
        validation_alias=AliasChoices("repo_url", "github_url"),
        min_length=1,
        max_length=2000,
        examples=["https://github.com/user/repo"],
    )
    """The git repository: an https URL, or an address as copied from a browser (of a
    folder, a commit, a pull request or an issue); a local path from the command line
    and on a server that is bound to loopback; an ssh URL from its own user."""
    ref: str | None = Field(default=None, max_length=250, examples=["main"])
    """A branch, tag or commit; the default branch when null."""
    path: FolderPath = ""
    """A folder of the repository, such as a package of a monorepo: agents start there,
    and set-up and checks are guessed and run there. The root when empty."""
    include_uncommitted: bool = Field(default=False, strict=True)
    """Begin with the files as they are in the working tree of a repository of this
    machine, committed or not. For the user who runs the server."""
    include_ignored: tuple[IgnoredFile, ...] = Field(
        default=(), max_length=200, examples=[[".env"]]
    )
    """Ignored files of a repository of this machine that sandboxes see; only those that
    its `.worktreeinclude` names. They are in no change and never published. For the
    user who runs the server."""
    prompt: str = Field(
        min_length=MIN_PROMPT,
        max_length=MAX_PROMPT,
        examples=["Refactor the main function"],
    )
    """The task for the agents."""
    variations: int = Field(default=3, ge=1, le=MAX_LINEUP, strict=True)
    """Number of agents that work in parallel."""
    agent_config: AgentConfig = AgentConfig()
    """Settings of every agent when `lineup` is null."""
    lineup: tuple[AgentSpec, ...] | None = Field(
        default=None, min_length=1, max_length=MAX_LINEUP
    )
    """One entry per agent; the number of variations is its length."""
    checks: tuple[Check, ...] | None = Field(default=None, max_length=20)
    """Commands that test a change; read or guessed from the repository when null, none
    when empty."""
    setup: tuple[Command, ...] | None = Field(default=None, max_length=20)
    """Commands that install the project's dependencies, once per commit; read or
    guessed from the repository when null, none when empty."""
    allowed_hosts: tuple[
        Annotated[str, Field(pattern=HOST_PATTERN, max_length=MAX_HOST)], ...
    ] = Field(default=(), max_length=50, examples=[["files.example.org"]])
    """Further hosts (`host` or `host:port`) that set-up may reach in this run."""
    protected: tuple[str, ...] | None = Field(
        default=None, max_length=100, examples=[["tests/contract/**"]]
    )
    """Paths (globs) whose change is flagged; those of the repository's `.aideator.toml`
    when null."""
    comparison: Comparison = Field(
        default=Comparison(), validation_alias=AliasChoices("comparison", "examination")
    )
    """How the variations are compared."""
    sandbox: Literal["auto", "bubblewrap", "dagger"] | None = None
    """The sandbox back end; the server's default when null."""
    budget: Budget = Budget()
    """Limits for cost and tokens."""
    fresh: bool = Field(default=False, strict=True)
    """Run the agents even if an identical submission has been decided before."""
    check_timeout: float | None = Field(default=None, gt=0, le=3600, strict=True)
    """Seconds after which each check is stopped, instead of the check's own limit."""
    keep_going: bool = Field(default=False, strict=True)
    """Go on without a check that cannot run on the base commit (a missing program,
    nothing collected, a time-out), instead of failing before any agent starts. Such a
    check is no evidence then."""

    @model_validator(mode="before")
    @classmethod
    def _count_the_lineup(cls, data: object) -> object:
        # A lineup determines the number of agents, so `variations` may be left out; a
        # different number is an error (below).
        if (
            isinstance(data, dict)
            and "variations" not in data
            and isinstance(data.get("lineup"), list | tuple)
        ):
            return {**data, "variations": len(data["lineup"])}
        return data

    @model_validator(mode="after")
    def _lineup_matches(self) -> Self:
        if self.lineup is not None and len(self.lineup) != self.variations:
            raise ValueError(
                f"the lineup has {len(self.lineup)} agents,"
                f" but variations is {self.variations}"
            )
        return self

    def agents(self) -> tuple[AgentSpec, ...]:
        """Return one spec per variation: the lineup, or `agent_config` for each."""
        return self.lineup or tuple(
            AgentSpec(**self.agent_config.model_dump()) for _ in range(self.variations)
        )


class RunStatus(StrEnum):
    """State of a run. A decided run has a winner."""

    QUEUED = "queued"
    RUNNING = "running"
    FINISHED = "finished"
    DECIDED = "decided"
    FAILED = "failed"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"
    """A crash, or the end of the server, cut it off, and nobody has resumed it."""


class VariationStatus(StrEnum):
    """State of a variation.

    A queued variation starts running, fails or is cancelled. A running one finishes,
    fails, is cancelled, is queued again at a shutdown, or starts a new attempt (running
    to running). A follow-up prompt queues a settled one.
    """

    QUEUED = "queued"
    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"
    CANCELLED = "cancelled"


RUN_TRANSITIONS: dict[RunStatus, frozenset[RunStatus]] = {
    RunStatus.QUEUED: frozenset(
        {
            RunStatus.RUNNING,
            RunStatus.DECIDED,
            RunStatus.FAILED,
            RunStatus.CANCELLED,
            RunStatus.INTERRUPTED,
        }
    ),
    RunStatus.RUNNING: frozenset(
        {
            RunStatus.FINISHED,
            RunStatus.FAILED,
            RunStatus.CANCELLED,
            RunStatus.INTERRUPTED,
        }
    ),
    RunStatus.FINISHED: frozenset({RunStatus.DECIDED, RunStatus.RUNNING}),
    RunStatus.DECIDED: frozenset({RunStatus.RUNNING, RunStatus.FINISHED}),
    RunStatus.FAILED: frozenset({RunStatus.RUNNING}),
    RunStatus.CANCELLED: frozenset({RunStatus.RUNNING}),
    RunStatus.INTERRUPTED: frozenset({RunStatus.RUNNING}),
}
"""Legal transitions of a run. A settled run goes back to running when a variation is
added or gets a follow-up prompt, an interrupted one when it is resumed, and a decided
one to finished when the decision is undone."""

SETTLED_RUN = frozenset(RunStatus) - {RunStatus.QUEUED, RunStatus.RUNNING}
"""States in which nothing happens until a person acts."""
ENDED_RUN = SETTLED_RUN - {RunStatus.INTERRUPTED}
"""States in which every variation has settled."""
SETTLED_VARIATION = frozenset(
    {VariationStatus.FINISHED, VariationStatus.FAILED, VariationStatus.CANCELLED}
)


def check_transition(old: RunStatus, new: RunStatus) -> None:
    """Check that a run may change from state `old` to `new`.

    Raises:
        Conflict: if the transition is not legal.
    """
    if new not in RUN_TRANSITIONS[old]:
        raise Conflict(f"the run is {old}; it cannot become {new}")


COMPOSED = "composed"
"""The agent's name in the spec of a composed variation, which no agent worked on."""


class Failure(FrozenModel):
    """Why a variation or a run failed."""

    reason: str
    """The error's class name; stable, for programs."""
    message: str
    """What happened and why, for people."""
    output: str = ""
    """The end of the output of the command that failed, if one did."""


class PublishRequest(FrozenModel):
    """How to publish the winner."""

    branch: str = Field(default="", max_length=200, examples=["cut-long-words"])
    """The branch's name below `aideator/`; made from run id and prompt when empty."""
    title: str = Field(
        default="", max_length=200, examples=["Cut words that are longer than the line"]
    )
    """Title of the commit and the pull request; the start of the prompt when empty."""
    pull_request: bool = Field(default=True, strict=True)
    """Whether to open a pull request as well. A repository on the server's own machine
    has none."""
    draft: bool = Field(default=False, strict=True)
    """Whether to open the pull request as a draft."""
    workflows: bool = Field(default=False, strict=True)
    """Whether to push files that the forge itself runs, with its secrets
    (`.github/workflows` and the like)."""


class Publication(FrozenModel):
    """Where the winner was published."""

    remote: str
    """The repository's URL, without credentials."""
    branch: str
    commit: str
    pull_request: str | None = None
    """The pull request's URL."""
    patch_sha256: str = ""
    """SHA-256 of the published patch. When the winner's patch is another one,
    publishing again moves the branch."""
    note: str = ""
    """Why there is no pull request although one was requested."""
    published_at: datetime = Field(default_factory=now)


class Variation(SQLModel):
    """One agent's work on the prompt."""

    run_id: str
    number: int
    """From 1 to N; called `variation_id` in the API and in events."""
    spec: AgentSpec
    status: VariationStatus = VariationStatus.QUEUED
    attempt: int = 0
    """Increases each time the variation is started; writes of an older attempt are
    rejected."""
    follow_up: str | None = None
    """The prompt of the current follow-up; null while the run's own prompt applies."""
    composed: tuple[ComposedPart, ...] = ()
    """The changes it was composed from; empty for an agent's own work."""
    cleared: str | None = None
    """Why a person cleared its flags; null while they are not cleared."""
    usage: Usage = Usage()
    verdict: Verdict | None = None
    failure: Failure | None = None
    isolation: Isolation | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None

    @model_validator(mode="before")
    @classmethod
    def _accept_seat(cls, data: object) -> object:
        # Archives of version 0.1 call the field `seat`. SQLModel takes no AliasChoices.
        if isinstance(data, dict) and "seat" in data:
            return {"spec": data["seat"]} | {
                k: v for k, v in data.items() if k != "seat"
            }
        return data


class Run(SQLModel):
    """A submission with its state and results."""

    id: str
    spec: RunSpec
    status: RunStatus = RunStatus.QUEUED
    commit: str | None = None
    """The base commit of every variation."""
    checks: tuple[Check, ...] = ()
    """The effective checks: those of the spec, of the repository's `.aideator.toml`, or
    guessed from its files."""
    setup: tuple[Command, ...] = ()
    """The effective set-up commands, from the same sources."""
    setup_hosts: tuple[str, ...] = ()
    """Servers (`host:port`) that set-up reached, in this run or in the earlier one
    whose environment it has."""
    protected: tuple[str, ...] = ()
    """The effective protected paths."""
    evidence: Evidence | None = None
    ranking: Ranking | None = None
    winner: int | None = None
    winner_reason: str = ""
    publication: Publication | None = None
    failure: Failure | None = None
    reused_from: str | None = None
    """The id of the decided run whose winner is reused."""
    created_at: datetime = Field(default_factory=now)
    finished_at: datetime | None = None
    """When the comparison of the variations ended, or the run failed."""
    decided_at: datetime | None = None
    """When the winner was chosen."""
    imported_at: datetime | None = None
    """When it was imported from a file. An imported run is read-only."""
    title: str = ""
    """A name that a person gave it; empty when its prompt is its name."""
    archived_at: datetime | None = None
    """When a person put it away; the page lists it in the archive only."""

    @property
    def recommended(self) -> int | None:
        """The variation that the ranking recommends; None for none, or no ranking."""
        return self.ranking.recommended if self.ranking else None


class RunDetails(Run):
    """A run with its variations, as returned by `GET /runs/{id}`."""

    variations: tuple[Variation, ...] = ()
