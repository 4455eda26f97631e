"""What is asked for, and what becomes of it: the spec, the run, its variations and their legal moves."""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, model_validator
from sqlmodel import SQLModel

from aideator.domain.check import Check, Command, Frozen
from aideator.domain.errors import Conflict
from aideator.domain.ranking import Evidence, Ranking
from aideator.domain.usage import Budget, Usage
from aideator.domain.verdict import Verdict

MAX_LINEUP = 100
"""The hard upper bound of agents in one run; MAX_VARIATIONS may set a lower one."""
MAX_COMPOSED = 50
"""The most variations of a run that are put together from others."""
MAX_NUMBER = MAX_LINEUP + MAX_COMPOSED
"""The highest number that a variation can have."""


def now() -> datetime:
    """The present moment, aware, in UTC."""
    return datetime.now(UTC)


class AgentConfig(BaseModel):
    """How an agent is to work. What is left out is the agent's own default."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True
    )

    model: str | None = Field(
        default=None, max_length=120, examples=["claude-opus-5-5"]
    )
    """The model's id, as its provider names it."""
    temperature: float | None = Field(default=None, ge=0, le=1, strict=True)
    """Sampling temperature. Refused at submission for models that do not take one."""
    effort: Literal["low", "medium", "high", "xhigh", "max"] | None = None
    """How hard the model should think."""
    max_turns: int | None = Field(default=None, ge=1, le=1000, strict=True)
    """Model calls after which the agent stops."""
    instructions: str = Field(default="", max_length=4000)
    """A strategy for this agent, added to the agent's own instructions."""


class AgentSpec(AgentConfig):
    """One agent of the lineup: agent × model × effort × strategy."""

    agent: str = Field(default="builtin", max_length=60)
    """A row of the catalogue (`GET /agents`)."""


class Comparison(Frozen):
    """How far the platform goes to tell the variations apart, and what that may cost."""

    cross_tests: bool = Field(default=True, strict=True)
    """Run the tests that one variation wrote on all others."""
    reruns: int = Field(default=2, ge=0, le=10, strict=True)
    """How often a test that failed or is new is run again before it counts."""
    sandboxes: int = Field(default=200, ge=0, le=10_000, strict=True)
    """The most sandboxes that cross-tests may take."""
    seconds: float = Field(default=900, ge=0, le=86_400, strict=True)
    """The most seconds that cross-tests may take."""
    judge: AgentConfig | None = None
    """A model that is asked about ties, blinded and in both orders; none when absent.
    It costs money."""


class Part(Frozen):
    """What a composed variation takes from another one."""

    variation_id: int = Field(ge=1, le=MAX_NUMBER, strict=True)
    path: str = Field(min_length=1, max_length=4096)
    """A file of that variation's diff."""
    hunks: tuple[Annotated[int, Field(ge=0, strict=True)], ...] | None = None
    """Which hunks of it, from 0; the whole file when null."""


class RunSpec(BaseModel):
    """A submission: the same object for the API, the command line, a YAML file and the queued job."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True
    )

    repo_url: str = Field(
        validation_alias=AliasChoices("repo_url", "github_url"),
        min_length=1,
        max_length=2000,
        examples=["https://github.com/user/repo"],
    )
    """The git repository: an https URL; a local path from the command line or on a
    loopback server."""
    ref: str | None = Field(default=None, max_length=250, examples=["main"])
    """A branch, tag or commit; the default branch when absent."""
    prompt: str = Field(
        min_length=10, max_length=100_000, examples=["Refactor the main function"]
    )
    """What the agents shall do."""
    variations: int = Field(default=3, ge=1, le=MAX_LINEUP, strict=True)
    """How many agents work side by side."""
    agent_config: AgentConfig = AgentConfig()
    """Settings of every agent, when no lineup is given."""
    lineup: tuple[AgentSpec, ...] | None = Field(
        default=None, min_length=1, max_length=MAX_LINEUP
    )
    """One entry for each agent; its length is the number of variations."""
    checks: tuple[Check, ...] | None = Field(default=None, max_length=20)
    """Commands that prove a change; guessed from the repository when absent, none when
    empty."""
    setup: tuple[Command, ...] | None = Field(default=None, max_length=20)
    """Commands that install what the project needs, once per commit; guessed when
    absent, none when empty."""
    protected: tuple[str, ...] | None = Field(
        default=None, max_length=100, examples=[["tests/contract/**"]]
    )
    """Paths (globs) that a change must leave alone, or be flagged; the repository's own
    when absent."""
    comparison: Comparison = Field(
        default=Comparison(), validation_alias=AliasChoices("comparison", "examination")
    )
    """How the variations are told apart."""
    sandbox: Literal["auto", "bubblewrap", "dagger"] | None = None
    """The sandbox back end; the server's own choice when absent."""
    budget: Budget = Budget()
    """Caps on money and tokens."""
    fresh: bool = Field(default=False, strict=True)
    """Run the agents even if the same question has been decided before."""

    @model_validator(mode="before")
    @classmethod
    def _count_the_lineup(cls, data: object) -> object:
        # A lineup says by itself how many agents there are; only a contradiction is an
        # error.
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
                f"the lineup has {len(self.lineup)} agents, but variations is {self.variations}"
            )
        return self

    def agents(self) -> tuple[AgentSpec, ...]:
        """The lineup, written out."""
        return self.lineup or tuple(
            AgentSpec(**self.agent_config.model_dump()) for _ in range(self.variations)
        )


class RunStatus(StrEnum):
    """Where a run stands. A decided run has a winner."""

    QUEUED = "queued"
    RUNNING = "running"
    FINISHED = "finished"
    DECIDED = "decided"
    FAILED = "failed"
    CANCELLED = "cancelled"


class VariationStatus(StrEnum):
    """Where a variation stands."""

    QUEUED = "queued"
    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"
    CANCELLED = "cancelled"


RUN_MOVES: dict[RunStatus, frozenset[RunStatus]] = {
    RunStatus.QUEUED: frozenset(
        {RunStatus.RUNNING, RunStatus.DECIDED, RunStatus.FAILED, RunStatus.CANCELLED}
    ),
    RunStatus.RUNNING: frozenset(
        {RunStatus.FINISHED, RunStatus.FAILED, RunStatus.CANCELLED}
    ),
    RunStatus.FINISHED: frozenset({RunStatus.DECIDED, RunStatus.RUNNING}),
    RunStatus.DECIDED: frozenset({RunStatus.RUNNING, RunStatus.FINISHED}),
    RunStatus.FAILED: frozenset({RunStatus.RUNNING}),
    RunStatus.CANCELLED: frozenset({RunStatus.RUNNING}),
}
"""Legal moves of a run. A settled one goes back to running when a variation is added or
gets a follow-up prompt; a decided one to finished when the decision is undone."""

VARIATION_MOVES: dict[VariationStatus, frozenset[VariationStatus]] = {
    VariationStatus.QUEUED: frozenset(
        {VariationStatus.RUNNING, VariationStatus.FAILED, VariationStatus.CANCELLED},
    ),
    VariationStatus.RUNNING: frozenset(
        {
            VariationStatus.QUEUED,
            VariationStatus.RUNNING,
            VariationStatus.FINISHED,
            VariationStatus.FAILED,
            VariationStatus.CANCELLED,
        },
    ),
    VariationStatus.FINISHED: frozenset({VariationStatus.QUEUED}),
    VariationStatus.FAILED: frozenset({VariationStatus.QUEUED}),
    VariationStatus.CANCELLED: frozenset({VariationStatus.QUEUED}),
}
"""Legal moves of a variation. Running to running is a new attempt; a settled one is
queued by a follow-up prompt."""

SETTLED_RUN = frozenset(
    {RunStatus.FINISHED, RunStatus.DECIDED, RunStatus.FAILED, RunStatus.CANCELLED}
)
SETTLED_VARIATION = frozenset(
    {VariationStatus.FINISHED, VariationStatus.FAILED, VariationStatus.CANCELLED}
)


def check_move(old: RunStatus, new: RunStatus) -> None:
    """Refuse an illegal move of a run.

    Raises:
        Conflict: if a run that is `old` cannot become `new`.
    """
    if new not in RUN_MOVES[old]:
        raise Conflict(f"the run is {old}; it cannot become {new}")


COMPOSED = "composed"
"""What stands for an agent's name in the agent of a variation that was put together from
others."""


class Failure(BaseModel):
    """Why a variation or a run failed."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True
    )

    reason: str
    """The error's class name, stable for programs."""
    message: str
    """What happened, for people."""


class IsolationPolicy(StrEnum):
    """What a sandbox has to hold before anything runs in it.

    Each level includes the ones before it.
    """

    ANY = "any"
    """What the back end can do; the run's record says what that was."""
    CLOSED = "closed"
    """Nothing outside can be reached, but by way of the gateway."""
    ENFORCED = "enforced"
    """The kernel holds memory, processors and processes, for all of a sandbox's
    processes together."""


class Isolation(BaseModel):
    """What held a variation in, as it was really enforced."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True
    )

    backend: str
    network: str
    """What the processes inside can reach, such as "gateway only"."""
    limits: dict[str, str]
    """Limit → who enforces it, such as `{"memory": "cgroup v2", "disk":
    "watchdog"}`."""


class Wish(Frozen):
    """How a winner shall be published."""

    branch: str = Field(default="", max_length=200, examples=["cut-long-words"])
    """Its name below `aideator/`; made of the run and its prompt when empty."""
    title: str = Field(
        default="", max_length=200, examples=["Cut words that are longer than the line"]
    )
    """Of the commit and the pull request; the beginning of the prompt when empty."""
    pull_request: bool = Field(default=True, strict=True)
    """Open a pull request as well; a repository on the server's own machine has
    none."""
    draft: bool = Field(default=False, strict=True)
    """Open it as a draft."""
    workflows: bool = Field(default=False, strict=True)
    """Push files that the forge runs by itself, with its secrets (`.github/workflows`
    and the like)."""


class Publication(Frozen):
    """Where the winner lives on."""

    remote: str
    """The repository's URL, without credentials."""
    branch: str
    commit: str
    pull_request: str | None = None
    """The pull request's URL."""
    patch_sha256: str = ""
    """Of the change that was published. When the winner's is another one, publishing
    again moves the branch."""
    note: str = ""
    """Why there is no pull request, where one was asked for."""
    published_at: datetime = Field(default_factory=now)


class Variation(SQLModel):
    """One agent's attempt at the prompt."""

    run_id: str
    number: int
    """1 … N; the `variation_id` of the API and of events."""
    spec: AgentSpec
    status: VariationStatus = VariationStatus.QUEUED
    attempt: int = 0
    """Goes up each time the variation is taken up; a write of an older attempt is
    refused."""
    follow_up: str | None = None
    """The prompt of the present follow-up turn; the run's own prompt when null."""
    composed: tuple[Part, ...] = ()
    """What it was put together from; empty for an agent's own work."""
    cleared: str | None = None
    """Why a person lets its flags pass; null while nobody has said so."""
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
    """A submission and what became of it."""

    id: str
    spec: RunSpec
    status: RunStatus = RunStatus.QUEUED
    commit: str | None = None
    """The commit that every variation starts from."""
    checks: tuple[Check, ...] = ()
    """The checks in force: the spec's, the repository's own, or those guessed from
    it."""
    setup: tuple[Command, ...] = ()
    """The set-up commands in force, found like the checks."""
    protected: tuple[str, ...] = ()
    """The protected paths in force."""
    evidence: Evidence | None = None
    ranking: Ranking | None = None
    winner: int | None = None
    winner_reason: str = ""
    publication: Publication | None = None
    failure: Failure | None = None
    reused_from: str | None = None
    """The decided run whose winner answers this one."""
    created_at: datetime = Field(default_factory=now)
    finished_at: datetime | None = None
    """When its variations were compared, or when it came to nothing."""
    decided_at: datetime | None = None
    """When the winner was chosen."""
    imported_at: datetime | None = None
    """When it was read from a file. An imported run can be looked at; nothing more
    happens in it."""


class RunDetails(Run):
    """A run with its variations: what `GET /runs/{id}` answers."""

    variations: tuple[Variation, ...] = ()
