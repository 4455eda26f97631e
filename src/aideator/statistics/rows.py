"""Queries that count decisions: two, whatever the number of runs."""

from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Float,
    case,
    cast,
    func,
    literal_column,
    select,
)
from sqlmodel import col

from aideator.domain.run import ENDED_RUN, RunStatus
from aideator.statistics.model import AgentCount, RunCount
from aideator.store.tables import RunRow, VariationRow

_DECIDED = (col(RunRow.status) == RunStatus.DECIDED) & col(RunRow.winner).is_not(None)
_MADE_HERE = col(RunRow.imported_at).is_(None) & col(RunRow.reused_from).is_(None)


def _inside(column: Any, path: str) -> ColumnElement[Any]:
    # Not SQLAlchemy's `column["key"]`: our JSON type validates whole values.
    return func.json_extract(column, path)


def counted(connection: Connection) -> tuple[list[AgentCount], list[RunCount]]:
    """Return both counts, of the same moment."""
    return agents(connection), ended_runs(connection)


def agents(connection: Connection) -> list[AgentCount]:
    """Return how often each agent was in a decided run, and how often chosen."""
    # First, each variation with the number of variations of its run: an aggregate
    # cannot contain a window function.
    each = (
        select(
            _inside(VariationRow.spec, "$.agent").label("agent"),
            func.coalesce(_inside(VariationRow.spec, "$.model"), "").label("model"),
            func.coalesce(_inside(VariationRow.spec, "$.instructions"), "").label(
                "instructions"
            ),
            case((col(VariationRow.number) == col(RunRow.winner), 1), else_=0).label(
                "won"
            ),
            (1.0 / func.count().over(partition_by=col(VariationRow.run_id))).label(
                "expected"
            ),
            cast(_inside(VariationRow.usage, "$.cost_usd"), Float).label("cost"),
        )
        .join(RunRow, col(RunRow.id) == col(VariationRow.run_id))
        .where(_DECIDED, _MADE_HERE)
        .subquery()
    )
    counted = select(
        each.c.agent,
        each.c.model,
        each.c.instructions,
        func.count(),
        func.sum(each.c.won),
        func.sum(each.c.expected),
        func.coalesce(func.sum(each.c.cost), 0.0),
        func.count() - func.count(each.c.cost),
    ).group_by(each.c.agent, each.c.model, each.c.instructions)
    return [AgentCount(*row) for row in connection.execute(counted)]


def ended_runs(connection: Connection) -> list[RunCount]:
    """Return every run that has ended here, with its decision and cost."""
    cost = cast(_inside(VariationRow.usage, "$.cost_usd"), Float)
    counted = (
        select(
            col(RunRow.status),
            col(RunRow.publication).is_not(None),
            _inside(RunRow.ranking, "$.recommended"),
            col(RunRow.winner),
            col(RunRow.finished_at),
            col(RunRow.decided_at),
            func.sum(cost),
            func.count(literal_column("1")) - func.count(cost),
        )
        .join(VariationRow, col(VariationRow.run_id) == col(RunRow.id))
        .where(col(RunRow.status).in_(ENDED_RUN), _MADE_HERE)
        .group_by(col(RunRow.id))
    )
    return [_run(*row) for row in connection.execute(counted)]


def _run(  # noqa: PLR0913 - one parameter for each column
    status: RunStatus,
    published: bool,  # noqa: FBT001
    recommended: int | None,
    winner: int | None,
    end: Any,
    choice: Any,
    cost: float | None,
    unpriced: int,
) -> RunCount:
    decided = status is RunStatus.DECIDED
    return RunCount(
        decided=decided,
        published=bool(published),
        followed=recommended == winner if decided and recommended is not None else None,
        seconds=(choice - end).total_seconds() if decided and choice and end else None,
        cost_usd=None if unpriced else cost,
    )
