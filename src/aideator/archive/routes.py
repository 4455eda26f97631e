"""Routes by which a run leaves as a file, and comes back."""

from fastapi import APIRouter, Depends, Request, Response

from aideator.api.auth import identify
from aideator.api.dependencies import App, RunId
from aideator.api.extension import Extension
from aideator.api.problems import responses
from aideator.archive.format import MAX_FILE
from aideator.archive.transfer import export_run, import_run
from aideator.domain.run import RunDetails
from aideator.settings import Settings

router = APIRouter(
    tags=["decisions"],
    dependencies=[Depends(identify)],
    responses=responses(401, 403, 421, 422),
)
ZIP = "application/zip"
_FILE = {"type": "string", "format": "binary"}


@router.get(
    "/runs/{run_id}/export",
    response_class=Response,
    responses={
        200: {
            "description": "`aideator import` takes it",
            "content": {ZIP: {"schema": _FILE}},
        },
        **responses(404, 409),
    },
)
async def export(run_id: RunId, app: App) -> Response:
    """Download a run that has ended as one file: the run, its events, its patches."""
    name = f"aideator-{run_id[-12:]}.zip"
    return Response(
        await export_run(app, run_id),
        media_type=ZIP,
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


@router.post(
    "/runs/import",
    status_code=201,
    responses=responses(400, 409, 413, 503),
    openapi_extra={
        "requestBody": {"required": True, "content": {ZIP: {"schema": _FILE}}}
    },
)
async def import_(request: Request, app: App) -> RunDetails:
    """Read a run from a file: it can be looked at and watched, but not continued."""
    return await import_run(app, await request.body())


def extension(_: Settings) -> Extension:
    """Add the routes to the HTTP application."""
    return Extension(router=router, body_limits={"/runs/import": MAX_FILE})
