"""Routes for probes, metrics, and the catalogue of agents."""

import asyncio
from collections.abc import Sequence
from typing import Literal, Self

from fastapi import APIRouter, Depends, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from aideator.agents.catalog import AgentEntry, Models
from aideator.api.auth import identify
from aideator.api.dependencies import App
from aideator.api.problems import responses, text
from aideator.api.schemas import ResponseBody
from aideator.domain.run import EFFORTS
from aideator.gateway.prices import facts_of

probes = APIRouter(tags=["health"])
router = APIRouter(
    tags=["agents"],
    dependencies=[Depends(identify)],
    responses=responses(401, 403, 421),
)


class Health(ResponseBody):
    """The answer to a probe."""

    status: Literal["ok"] = "ok"


class KnownModel(ResponseBody):
    """A model of the catalogue. Its prices and size are those of the price table."""

    id: str
    input_usd: float | None
    """US dollars for a million input tokens; null when the price is unknown."""
    output_usd: float | None
    """US dollars for a million output tokens."""
    context_tokens: int | None
    """Tokens that a call may hold."""
    efforts: tuple[str, ...]
    """The efforts that it takes; empty when it takes none."""
    temperature: bool
    """Whether it takes a temperature."""

    @classmethod
    def of(cls, id: str, models: Models) -> Self:
        """Return what is known of a model."""
        facts = facts_of(id)
        return cls(
            id=id,
            input_usd=facts.input_usd if facts else None,
            output_usd=facts.output_usd if facts else None,
            context_tokens=facts.context_tokens if facts else None,
            efforts=() if models.reject("effort", id) else EFFORTS,
            temperature=not models.reject("temperature", id),
        )


class AgentInfo(ResponseBody):
    """One row of the catalogue."""

    name: str
    title: str
    models: Models
    known: tuple[KnownModel, ...]
    """The models to offer, with what is known of each."""
    available: bool
    """Whether it can work on this server now."""
    missing: str | None
    """What is missing; null when it is available."""


@probes.get("/health/live", responses=responses(421))
async def live() -> Health:
    """Answer while the process runs."""
    return Health()


@probes.get("/health", include_in_schema=False)
@probes.get("/health/ready", responses=responses(421, 503))
async def ready(app: App) -> Health:
    """Answer while the database answers too, so that runs can be submitted."""
    await app.list(limit=1)
    return Health()


@probes.get(
    "/metrics",
    response_class=Response,
    dependencies=[Depends(identify)],
    responses=text("Prometheus text", "text/plain") | responses(401, 421),
)
async def metrics() -> Response:
    """Show counters for Prometheus."""
    return Response(generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})


@router.get("/agents")
async def agents(app: App) -> Sequence[AgentInfo]:
    """List the agents that a lineup can name."""
    settings = app.settings
    missing = None if settings.has_a_model else "ANTHROPIC_API_KEY is not set"
    rows = app.agents().values()
    # The price table takes a moment to load.
    return await asyncio.to_thread(lambda: [_agent(row, missing) for row in rows])


def _agent(row: AgentEntry, missing: str | None) -> AgentInfo:
    return AgentInfo(
        name=row.name,
        title=row.title,
        models=row.models,
        known=tuple(KnownModel.of(id, row.models) for id in row.models.known),
        available=missing is None,
        missing=missing,
    )
