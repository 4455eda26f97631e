"""Summaries of runs for a list, in two statements however many runs there are."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict
from sqlalchemy import Connection, Row, func, or_, select
from sqlmodel import col

from aideator.domain.ranking import Confidence, Ranking
from aideator.domain.run import (
    SETTLED_VARIATION,
    Failure,
    RunSpec,
    RunStatus,
    VariationStatus,
)
from aideator.domain.usage import Usage
from aideator.domain.verdict import Change, Verdict
from aideator.store.tables import RunRow, VariationRow

PROMPT_SHOWN = 300
_GOOD = frozenset({Change.FIXED, Change.STILL_PASSING})


class _OverviewModel(BaseModel):
    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)


class VariationSummary(_OverviewModel):
    """One variation in a list of runs."""

    number: int
    agent: str
    model: str | None
    status: VariationStatus
    passed: int
    """Checks of its verdict that pass."""
    failed: int


class Summary(_OverviewModel):
    """One run in a list of runs."""

    id: str
    repo_url: str
    ref: str | None
    prompt: str
    """Its first characters."""
    title: str
    """A name that a person gave it; empty when its prompt is its name."""
    archived_at: datetime | None
    status: RunStatus
    variations: tuple[VariationSummary, ...]
    usage: Usage
    """Of all variations together."""
    budget_usd: float | None
    recommended: int | None
    confidence: Confidence | None
    winner: int | None
    failure: Failure | None
    created_at: datetime
    finished_at: datetime | None

    @property
    def settled(self) -> int:
        """The number of variations that have ended."""
        return sum(agent.status in SETTLED_VARIATION for agent in self.variations)


class Recent(_OverviewModel):
    """A repository that was worked on here."""

    repo_url: str
    ref: str | None
    used_at: datetime


def page(
    connection: Connection,
    *,
    before: str | None = None,
    limit: int = 50,
    statuses: Sequence[RunStatus] = (),
    search: str = "",
    archived: bool = False,
) -> list[Summary]:
    """Return up to `limit` runs, newest first.

    Args:
        connection: A reading one.
        before: Only runs older than the one with this id.
        limit: How many at most.
        statuses: Only runs in one of these states; all when empty.
        search: Words that the prompt, the title or the repository's name must hold,
            all of them, in any case.
        archived: Only runs in the archive, instead of those outside it.
    """
    table = RunRow.__table__  # type: ignore[attr-defined]
    rows = select(table).order_by(col(RunRow.id).desc()).limit(limit)
    if before is not None:
        rows = rows.where(col(RunRow.id) < before)
    if statuses:
        rows = rows.where(col(RunRow.status).in_(statuses))
    put_away = col(RunRow.archived_at)
    rows = rows.where(put_away.is_not(None) if archived else put_away.is_(None))
    for word in search.split():
        fields = [
            func.json_extract(col(RunRow.spec), "$.prompt"),
            func.json_extract(col(RunRow.spec), "$.repo_url"),
            col(RunRow.title),
        ]
        rows = rows.where(
            or_(*(field.icontains(word, autoescape=True) for field in fields))
        )
    runs = connection.execute(rows).all()
    agents = _variations(connection, [run.id for run in runs])
    return [_summary(run, agents.get(run.id, [])) for run in runs]


def _variations(
    connection: Connection, ids: Sequence[str]
) -> dict[str, list[tuple[VariationSummary, Usage]]]:
    columns = (
        col(VariationRow.run_id),
        col(VariationRow.number),
        col(VariationRow.spec),
        col(VariationRow.status),
        col(VariationRow.usage),
        col(VariationRow.verdict),
    )
    rows = (
        select(*columns)
        .where(col(VariationRow.run_id).in_(ids))
        .order_by(col(VariationRow.number))
    )
    found: dict[str, list[tuple[VariationSummary, Usage]]] = {}
    for run_id, number, spec, status, usage, verdict in connection.execute(rows):
        passed, failed = _count(verdict)
        agent = VariationSummary(
            number=number,
            agent=spec.agent,
            model=spec.model,
            status=status,
            passed=passed,
            failed=failed,
        )
        found.setdefault(run_id, []).append((agent, usage))
    return found


def _count(verdict: Verdict | None) -> tuple[int, int]:
    changes = [row.change for row in verdict.checks] if verdict else []
    passed = sum(change in _GOOD for change in changes)
    return passed, len(changes) - passed


def _summary(
    run: Row[Any], agents: Sequence[tuple[VariationSummary, Usage]]
) -> Summary:
    spec: RunSpec = run.spec
    ranking: Ranking | None = run.ranking
    return Summary(
        id=run.id,
        repo_url=spec.repo_url,
        ref=spec.ref,
        prompt=spec.prompt[:PROMPT_SHOWN],
        title=run.title,
        archived_at=run.archived_at,
        status=run.status,
        variations=tuple(agent for agent, _ in agents),
        usage=sum((usage for _, usage in agents), Usage()),
        budget_usd=spec.budget.run_usd,
        recommended=ranking.recommended if ranking else None,
        confidence=ranking.confidence if ranking else None,
        winner=run.winner,
        failure=run.failure,
        created_at=run.created_at,
        finished_at=run.finished_at,
    )


def recent_repositories(connection: Connection, limit: int = 8) -> list[Recent]:
    """Return the repositories of the latest runs, each once, newest first."""
    newest = (
        select(col(RunRow.spec), col(RunRow.created_at))
        .order_by(col(RunRow.id).desc())
        .limit(200)
    )
    found: dict[str, Recent] = {}
    for spec, at in connection.execute(newest):
        found.setdefault(
            spec.repo_url, Recent(repo_url=spec.repo_url, ref=spec.ref, used_at=at)
        )
    return list(found.values())[:limit]


def latest_costs(
    connection: Connection, *, without: str = "", limit: int = 20
) -> list[float]:
    """Return what the latest finished variations have cost, in US dollars.

    Those without a known price are left out.

    Args:
        connection: A reading one.
        without: A repository that does not count, because its runs cost nothing.
        limit: How many at most.
    """
    done = (
        select(col(VariationRow.usage))
        .join(RunRow, col(RunRow.id) == col(VariationRow.run_id))
        .where(
            col(VariationRow.status) == VariationStatus.FINISHED,
            func.json_extract(col(RunRow.spec), "$.repo_url") != without,
        )
        .order_by(col(VariationRow.run_id).desc())
        .limit(limit)
    )
    return [usage.cost_usd for usage in connection.scalars(done) if usage.cost_usd]
