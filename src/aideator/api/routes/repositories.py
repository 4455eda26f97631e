"""Route that inspects a repository before a run: its set-up and its checks."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Body, Depends, Request
from pydantic import Field

from aideator.api.auth import identify, may_use_path
from aideator.api.dependencies import App
from aideator.api.problems import responses
from aideator.api.schemas import RequestBody
from aideator.domain.project import Project

_AT_ONCE = 2
"""Repositories that are fetched at the same time."""

router = APIRouter(
    prefix="/repositories",
    tags=["repositories"],
    dependencies=[Depends(identify)],
    responses=responses(400, 401, 403, 413, 421, 422, 503),
)


class Inspection(RequestBody):
    """Which commit to inspect."""

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
    """Fetch a repository and show how a run would set it up and check it.

    Nothing in it is executed.
    """
    local = may_use_path(request, asked.repo_url)
    slots: asyncio.Semaphore = request.app.state.inspections
    async with slots:
        return await app.inspect(asked.repo_url, asked.ref, local=local)


def inspections() -> asyncio.Semaphore:
    """Return what limits how many repositories are fetched at the same time."""
    return asyncio.Semaphore(_AT_ONCE)
