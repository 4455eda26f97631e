"""Route that inspects a repository before a run: its set-up and its checks."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Body, Depends, Request
from pydantic import Field

from aideator.api.auth import identify, is_servers_user, locate_for, may_use_path
from aideator.api.dependencies import App
from aideator.api.problems import responses
from aideator.api.schemas import RequestBody
from aideator.domain.project import Location, Project
from aideator.domain.run import FolderPath

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
    path: FolderPath = ""
    """A folder of the repository; the root when empty."""


class RepositoryText(RequestBody):
    """A text that names a repository."""

    repo_url: str = Field(
        min_length=1,
        max_length=2000,
        examples=["https://github.com/user/repo/tree/main/packages/app"],
    )
    """A repository's URL, or an address as copied from a browser: of a folder, a file,
    a commit, a pull request or an issue."""


@router.post("/locate")
async def locate(
    request: Request, app: App, asked: Annotated[RepositoryText, Body()]
) -> Location:
    """Tell what a text means: repository, ref, folder, an issue's words as a prompt.

    `POST /runs` understands the same texts.
    """
    slots: asyncio.Semaphore = request.app.state.inspections
    async with slots:
        return await app.locate(asked.repo_url)


@router.post("/inspect")
async def inspect(
    request: Request, app: App, asked: Annotated[Inspection, Body()]
) -> Project:
    """Fetch a repository and show how a run would set it up and check it.

    Nothing in it is executed.
    """
    repo_url, path = locate_for(request, asked.repo_url, asked.path)
    local = may_use_path(request, repo_url)
    own = is_servers_user(request)
    slots: asyncio.Semaphore = request.app.state.inspections
    async with slots:
        return await app.inspect(repo_url, asked.ref, path=path, local=local, own=own)


def inspections() -> asyncio.Semaphore:
    """Return what limits how many repositories are fetched at the same time."""
    return asyncio.Semaphore(_AT_ONCE)
