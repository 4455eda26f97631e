"""Probes, metrics, and the catalogue of agents."""

from collections.abc import Sequence
from typing import Literal

from fastapi import APIRouter, Depends, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel

from aideator.agents.catalog import Row
from aideator.api.auth import identify
from aideator.api.problems import responses
from aideator.api.runs import App

probes = APIRouter(tags=["health"])
router = APIRouter(tags=["agents"], dependencies=[Depends(identify)], responses=responses(401, 403, 421))


class Health(BaseModel):
    """A probe's answer."""

    status: Literal["ok"] = "ok"


@probes.get("/health/live", responses=responses(421))
async def live() -> Health:
    """Say that the process answers."""
    return Health()


@probes.get("/health/ready", responses=responses(421, 503))
async def ready(app: App) -> Health:
    """Say that the database answers too, so that runs can be submitted."""
    await app.list(limit=1)
    return Health()


@probes.get(
    "/metrics",
    response_class=Response,
    dependencies=[Depends(identify)],
    responses={
        200: {"description": "Prometheus text", "content": {"text/plain": {"schema": {"type": "string"}}}},
        **responses(401, 421),
    },
)
async def metrics() -> Response:
    """Show counters for Prometheus."""
    return Response(generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})


@router.get("/agents")
async def agents(app: App) -> Sequence[Row]:
    """List the agents that a seat can name."""
    return list(app.agents().values())
