"""Routes for the code around a change: the base's files, and the user's checkout."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from pydantic import Field

from aideator.api.auth import identify, may_use_path
from aideator.api.dependencies import App, RunId, VariationId
from aideator.api.problems import responses
from aideator.api.schemas import RequestBody
from aideator.app.local_code import (
    AppliedChange,
    BaseFile,
    apply_locally,
    base_file,
)
from aideator.domain.errors import NotAllowed

router = APIRouter(
    tags=["decisions"],
    dependencies=[Depends(identify)],
    responses=responses(401, 403, 421, 422),
)


class Application(RequestBody):
    """Where a change goes in the user's checkout."""

    branch: str = Field(default="", max_length=200)
    """The new branch; `aideator/RUN-VARIATION` when empty."""
    switch: bool = False
    """Whether to switch to it. A work tree with uncommitted changes refuses."""


@router.get("/runs/{run_id}/file", responses=responses(404, 409, 502, 503))
async def read_file(
    run_id: RunId,
    app: App,
    path: Annotated[
        str, Query(min_length=1, max_length=4096, pattern=r"^[^\x00-\x1f]+$")
    ],
) -> BaseFile:
    """Read a file of the commit that the run started from."""
    return await base_file(app, run_id, path)


@router.post(
    "/runs/{run_id}/variations/{number}/apply",
    responses=responses(400, 404, 409, 413, 503),
)
async def apply(
    run_id: RunId,
    number: VariationId,
    wanted: Application,
    request: Request,
    app: App,
) -> AppliedChange:
    """Commit a variation's change on a branch of the local repository of the run.

    Only callers on this machine may do so. Hooks of the checkout do not run.
    """
    details = await app.get(run_id)
    if not may_use_path(request, details.spec.repo_url):
        raise NotAllowed(
            "only a caller on the server's machine may change a checkout there",
            hint=f"run there: aideator apply {run_id[-8:]} {number}",
        )
    return await apply_locally(
        app, run_id, number, branch=wanted.branch, switch=wanted.switch
    )
