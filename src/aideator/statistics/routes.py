"""Route that shows the statistics."""

from fastapi import APIRouter, Depends

from aideator.api.auth import identify
from aideator.api.dependencies import App
from aideator.api.extension import Extension
from aideator.api.problems import responses
from aideator.settings import Settings
from aideator.statistics.model import Stats
from aideator.statistics.read import read_statistics

router = APIRouter(
    tags=["decisions"],
    dependencies=[Depends(identify)],
    responses=responses(401, 403, 421, 422),
)


@router.get("/stats")
async def stats(app: App) -> Stats:
    """Show what past decisions say about agents, models and strategies.

    Wins with 95 % intervals, and what they cost.
    """
    return await read_statistics(app)


def extension(_: Settings) -> Extension:
    """Add the route to the HTTP application."""
    return Extension(router=router)
