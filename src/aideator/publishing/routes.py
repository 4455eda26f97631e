"""Route by which a winner is published."""

from typing import Annotated

from fastapi import APIRouter, Body, Depends, Request

from aideator.api.auth import identify, is_servers_user
from aideator.api.dependencies import App, RunId
from aideator.api.extension import Extension
from aideator.api.problems import responses
from aideator.api.schemas import openapi_examples
from aideator.domain.run import Publication, PublishRequest
from aideator.publishing.publish import publish_winner
from aideator.settings import Settings

router = APIRouter(
    tags=["decisions"],
    dependencies=[Depends(identify)],
    responses=responses(401, 403, 421, 422),
)
_EXAMPLES = openapi_examples(
    a_draft={"title": "Cut words that are longer than the line", "draft": True},
    as_usual={},
)


@router.post(
    "/runs/{run_id}/publish", responses=responses(400, 404, 409, 413, 502, 503)
)
async def publish(
    run_id: RunId,
    asked: Annotated[PublishRequest, Body(openapi_examples=_EXAMPLES)],
    request: Request,
    app: App,
) -> Publication:
    """Push the winner as a branch, and open a pull request with the evidence.

    Publishing again answers with the first pull request. When the branch was pushed
    but the pull request refused (502), publishing again goes on where it stopped.
    """
    return await publish_winner(app, run_id, asked, own=is_servers_user(request))


def extension(_: Settings) -> Extension:
    """Add the route to the HTTP application."""
    return Extension(router=router)
