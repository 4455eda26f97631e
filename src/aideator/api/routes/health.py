"""Routes for probes, metrics, and the catalogue of agents."""

from collections.abc import Sequence
from typing import Literal

from fastapi import APIRouter, Depends, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from aideator.agents.catalog import Models
from aideator.api.auth import identify
from aideator.api.dependencies import App
from aideator.api.problems import responses, text
from aideator.api.schemas import ResponseBody

probes = APIRouter(tags=["health"])
router = APIRouter(
    tags=["agents"],
    dependencies=[Depends(identify)],
    responses=responses(401, 403, 421),
)


class Health(ResponseBody):
    """The answer to a probe."""

    status: Literal["ok"] = "ok"


class AgentInfo(ResponseBody):
    """One row of the catalogue."""

    name: str
    title: str
    models: Models
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
    return [
        AgentInfo(
            name=row.name,
            title=row.title,
            models=row.models,
            available=missing is None,
            missing=missing,
        )
        for row in app.agents().values()
    ]
