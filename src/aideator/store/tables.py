"""The tables: domain models plus columns that only the store needs.

`RunRow` is a `Run` and `VariationRow` is a `Variation`; both redeclare the fields whose
values are pydantic models, enums or moments, because SQLModel cannot guess a column for
those. No `from __future__ import annotations` here: SQLModel reads the annotations. A
row is never handed out: `store.runs` and `store.claims` return the plain nouns.
"""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import (
    JSON,
    Column,
    DateTime,
    Dialect,
    Enum,
    Integer,
    LargeBinary,
    String,
    Text,
)
from sqlalchemy.types import TypeDecorator
from sqlmodel import Field, SQLModel

from aideator.domain.check import Check, Command
from aideator.domain.isolation import Isolation
from aideator.domain.ranking import Evidence, Ranking
from aideator.domain.run import (
    AgentSpec,
    ComposedPart,
    Failure,
    Publication,
    Run,
    RunSpec,
    RunStatus,
    Variation,
    VariationStatus,
    now,
)
from aideator.domain.usage import Usage
from aideator.domain.verdict import Verdict


class Json(TypeDecorator[Any]):
    """A pydantic value, validated on its way out of the database; null is None."""

    impl = JSON(none_as_null=True)
    cache_ok = True

    def __init__(self, shape: Any) -> None:
        super().__init__()
        self.shape = shape
        self._adapter: TypeAdapter[Any] = TypeAdapter(shape)

    def process_bind_param(
        self,
        value: Any,
        dialect: Dialect,  # noqa: ARG002
    ) -> Any:
        """Return the value as JSON types."""
        return None if value is None else self._adapter.dump_python(value, mode="json")

    def process_result_value(
        self,
        value: Any,
        dialect: Dialect,  # noqa: ARG002
    ) -> Any:
        """Return the validated value."""
        return None if value is None else self._adapter.validate_python(value)


class Moment(TypeDecorator[datetime]):
    """An aware moment, kept in UTC.

    SQLite has no time zones, so they are put back on the way out.
    """

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(
        self,
        value: datetime | None,
        dialect: Dialect,  # noqa: ARG002
    ) -> datetime | None:
        """Return the moment in UTC, as it is stored."""
        return None if value is None else value.astimezone(UTC)

    def process_result_value(
        self,
        value: datetime | None,
        dialect: Dialect,  # noqa: ARG002
    ) -> datetime | None:
        """Return the stored moment with its time zone."""
        if value is None:
            return None
        if value.tzinfo is None:
            return value.replace(tzinfo=UTC)
        return value.astimezone(UTC)


def _word(words: type[StrEnum]) -> Enum:
    return Enum(
        words,
        native_enum=False,
        length=16,
        values_callable=lambda kind: [word.value for word in kind],
    )


class RunRow(Run, table=True):
    """A run, and what the store keeps beside it."""

    __tablename__ = "run"

    id: str = Field(primary_key=True)
    spec: RunSpec = Field(sa_column=Column(Json(RunSpec), nullable=False))
    status: RunStatus = Field(
        default=RunStatus.QUEUED,
        sa_column=Column(_word(RunStatus), nullable=False, index=True),
    )
    checks: tuple[Check, ...] = Field(
        default=(), sa_column=Column(Json(tuple[Check, ...]), nullable=False)
    )
    setup: tuple[Command, ...] = Field(
        default=(),
        sa_column=Column(
            Json(tuple[Command, ...]), nullable=False, server_default="[]"
        ),
    )
    setup_hosts: tuple[str, ...] = Field(
        default=(),
        sa_column=Column(Json(tuple[str, ...]), nullable=False, server_default="[]"),
    )
    protected: tuple[str, ...] = Field(
        default=(),
        sa_column=Column(Json(tuple[str, ...]), nullable=False, server_default="[]"),
    )
    evidence: Evidence | None = Field(default=None, sa_column=Column(Json(Evidence)))
    ranking: Ranking | None = Field(default=None, sa_column=Column(Json(Ranking)))
    publication: Publication | None = Field(
        default=None, sa_column=Column(Json(Publication))
    )
    failure: Failure | None = Field(default=None, sa_column=Column(Json(Failure)))
    created_at: datetime = Field(
        default_factory=now, sa_column=Column(Moment(), nullable=False)
    )
    finished_at: datetime | None = Field(default=None, sa_column=Column(Moment()))
    decided_at: datetime | None = Field(default=None, sa_column=Column(Moment()))
    imported_at: datetime | None = Field(default=None, sa_column=Column(Moment()))
    title: str = Field(
        default="", sa_column=Column(String, nullable=False, server_default="")
    )
    archived_at: datetime | None = Field(default=None, sa_column=Column(Moment()))
    last_seq: int = 0
    """The seq of the run's newest event: where dense seqs come from."""
    announced: bool = False
    """Whether a `complete` event was written since the run was last started."""
    question: str | None = Field(default=None, index=True)
    """Hash of commit, prompt, lineup and checks: runs with the same one may share a
    winner."""


class VariationRow(Variation, table=True):
    """A variation, and what the store keeps beside it."""

    __tablename__ = "variation"

    run_id: str = Field(primary_key=True, foreign_key="run.id")
    number: int = Field(
        sa_column=Column(Integer, primary_key=True, autoincrement=False)
    )
    spec: AgentSpec = Field(sa_column=Column(Json(AgentSpec), nullable=False))
    status: VariationStatus = Field(
        default=VariationStatus.QUEUED,
        sa_column=Column(_word(VariationStatus), nullable=False),
    )
    composed: tuple[ComposedPart, ...] = Field(
        default=(),
        sa_column=Column(
            Json(tuple[ComposedPart, ...]), nullable=False, server_default="[]"
        ),
    )
    usage: Usage = Field(default=Usage(), sa_column=Column(Json(Usage), nullable=False))
    verdict: Verdict | None = Field(default=None, sa_column=Column(Json(Verdict)))
    failure: Failure | None = Field(default=None, sa_column=Column(Json(Failure)))
    isolation: Isolation | None = Field(default=None, sa_column=Column(Json(Isolation)))
    started_at: datetime | None = Field(default=None, sa_column=Column(Moment()))
    finished_at: datetime | None = Field(default=None, sa_column=Column(Moment()))
    forgiven: int = 0
    """Attempts that do not count towards a crash loop: those handed back in good order,
    or of an earlier turn."""


class EventRow(SQLModel, table=True):
    """One event.

    No foreign key: the update that hands out its seq proves that the run exists.
    """

    __tablename__ = "event"
    __table_args__ = {"sqlite_with_rowid": False}

    run_id: str = Field(primary_key=True)
    seq: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    variation_id: int | None = None
    attempt: int | None = None
    kind: str
    at: str
    """As in `data`: ISO 8601, UTC."""
    data: str = Field(sa_column=Column(Text, nullable=False))
    """The event as JSON on one line, as it is streamed."""
    raw: str | None = Field(default=None, sa_column=Column(Text))
    """The agent's own line behind it."""


class PatchRow(SQLModel, table=True):
    """What a variation changed, as `git diff --binary` writes it."""

    __tablename__ = "patch"

    run_id: str = Field(primary_key=True, foreign_key="run.id")
    number: int = Field(
        sa_column=Column(Integer, primary_key=True, autoincrement=False)
    )
    attempt: int
    data: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class SessionRow(SQLModel, table=True):
    """What an agent remembers of its last turn, as it wrote it.

    It is given to the same agent for the next turn, and to no other.
    """

    __tablename__ = "session"

    run_id: str = Field(primary_key=True, foreign_key="run.id")
    number: int = Field(
        sa_column=Column(Integer, primary_key=True, autoincrement=False)
    )
    attempt: int
    data: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class MeasurementRow(SQLModel, table=True):
    """What a check said about a tree, with every test.

    The same question is not run twice.
    """

    __tablename__ = "measurement"

    key: str = Field(primary_key=True)
    """A hash of everything that the answer depends on: tree, command, environment, what
    is laid over it."""
    created_at: datetime = Field(
        default_factory=now, sa_column=Column(Moment(), nullable=False)
    )
    data: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    """The result as JSON, compressed."""


class ApiKeyRow(SQLModel, table=True):
    """An API key. The key itself is not kept, only its SHA-256."""

    __tablename__ = "api_key"

    id: str = Field(primary_key=True)
    name: str
    prefix: str
    """The key's first characters, so that its owner can tell keys apart."""
    sha256: str = Field(unique=True)
    created_at: datetime = Field(
        default_factory=now, sa_column=Column(Moment(), nullable=False)
    )
    revoked_at: datetime | None = Field(default=None, sa_column=Column(Moment()))


class IdempotencyRow(SQLModel, table=True):
    """The run that a client's `Idempotency-Key` led to."""

    __tablename__ = "idempotency"

    key: str = Field(primary_key=True)
    request_hash: str
    run_id: str = Field(foreign_key="run.id")


class AllowedHostRow(SQLModel, table=True):
    """A host that a person has allowed to set-ups."""

    __tablename__ = "allowed_host"

    host: str = Field(primary_key=True)
    repository: str = Field(primary_key=True)
    """Empty for all repositories."""
    private: bool
    created_at: datetime = Field(
        default_factory=now, sa_column=Column(Moment(), nullable=False)
    )
