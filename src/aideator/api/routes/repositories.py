"""A look at a repository before a run: what would be installed, and what would prove a change."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Body, Depends, Request
from pydantic import BaseModel, ConfigDict, Field

from aideator.api.auth import identify, is_local
from aideator.api.dependencies import App
from aideator.api.problems import responses
from aideator.domain.project import Project

_AT_ONCE = 2

router = APIRouter(
    prefix="/repositories",
    tags=["repositories"],
    dependencies=[Depends(identify)],
    responses=responses(400, 401, 403, 413, 421, 422, 503),
)


class Inspection(BaseModel):
    """Which commit to look at."""

    model_config = ConfigDict(
        extra="forbid", strict=True, use_attribute_docstrings=True
    )

    repo_url: str = Field(
        min_length=1, max_length=2000, examples=["https://github.com/user/repo"]
    )
    """As in a run."""
    ref: str | None = Field(default=None, max_length=250, examples=["main"])
    """A branch, tag or commit; the default branch when absent."""


@router.post("/inspect")
async def inspect(
    request: Request, app: App, asked: Annotated[Inspection, Body()]
) -> Project:
    """Fetch a repository and say how a run would set it up and check it.

    Nothing of it runs.
    """
    turns: asyncio.Semaphore = request.app.state.inspections
    async with turns:
        return await app.inspect(asked.repo_url, asked.ref, local=is_local(request))


def inspections() -> asyncio.Semaphore:
    """As many repositories as may be brought here at once for a look."""
    return asyncio.Semaphore(_AT_ONCE)
