"""What becomes of runs over HTTP: go on, compose, publish, take back, keep.

Each parses, calls the façade, renders.
"""

from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from aideator.api.auth import identify
from aideator.api.problems import responses
from aideator.api.routes.runs import App, FollowUp, RunId, VariationId
from aideator.domain.run import (
    AgentSpec,
    ComposedPart,
    Publication,
    PublishRequest,
    RunDetails,
)
from aideator.statistics.model import Stats

router = APIRouter(
    tags=["decisions"],
    dependencies=[Depends(identify)],
    responses=responses(401, 403, 421, 422),
)
_MOVED = responses(400, 404, 409, 413, 503)


ZIP = "application/zip"
_FILE = {"type": "string", "format": "binary"}


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)


class Composition(_Body):
    """What a new variation takes from others."""

    parts: tuple[ComposedPart, ...] = Field(min_length=1, max_length=1000)


class Clearance(_Body):
    """A person's word on a variation's flags."""

    reason: str = Field(
        min_length=1,
        max_length=2000,
        examples=["The old expectation was wrong, see #12"],
    )
    """Kept with the variation."""


def _examples(**values: Any) -> Any:
    return {
        name: {"summary": name.replace("_", " "), "value": value}
        for name, value in values.items()
    }


_AGENTS = _examples(
    another_strategy={"agent": "builtin", "instructions": "Write the test first."}
)
_PARTS = _examples(
    a_file_and_a_hunk={
        "parts": [
            {"variation_id": 1, "path": "reflow.py"},
            {"variation_id": 3, "path": "test_wrap.py", "hunks": [0]},
        ]
    }
)
_WISHES = _examples(
    a_draft={"title": "Cut words that are longer than the line", "draft": True},
    as_usual={},
)


@router.post("/runs/{run_id}/prompt", status_code=202, responses=_MOVED)
async def prompt_all(run_id: RunId, turn: FollowUp, app: App) -> RunDetails:
    """Give every settled variation a follow-up turn on its own tree.

    Composed ones, which no agent wrote, stay.
    """
    return await app.prompt(run_id, None, turn.prompt)


@router.post("/runs/{run_id}/variations", status_code=202, responses=_MOVED)
async def add(
    run_id: RunId, agent: Annotated[AgentSpec, Body(openapi_examples=_AGENTS)], app: App
) -> RunDetails:
    """Have one more agent work on the run, also while the others do."""
    return await app.add(run_id, agent)


@router.post("/runs/{run_id}/compose", status_code=202, responses=_MOVED)
async def compose(
    run_id: RunId,
    wanted: Annotated[Composition, Body(openapi_examples=_PARTS)],
    app: App,
) -> RunDetails:
    """Put files and hunks of variations together as a new one, which is judged like every other.

    Hunks count from 0, as `…/diff` lists them. What cannot be taken together is
    answered with 409, and named.
    """
    return await app.compose(run_id, wanted.parts)


@router.post("/runs/{run_id}/variations/{number}/clear", responses=_MOVED)
async def clear(
    run_id: RunId, number: VariationId, word: Clearance, app: App
) -> RunDetails:
    """Let a variation's flags pass, with a reason; the run is ranked anew."""
    return await app.keeping.clear(run_id, number, word.reason)


@router.post("/runs/{run_id}/deselect", responses=_MOVED)
async def deselect(run_id: RunId, app: App) -> RunDetails:
    """Take the decision back, until the winner is published.

    A run without one stays as it is.
    """
    return await app.keeping.deselect(run_id)


@router.post("/runs/{run_id}/publish", responses=_MOVED | responses(502))
async def publish(
    run_id: RunId,
    wish: Annotated[PublishRequest, Body(openapi_examples=_WISHES)],
    app: App,
) -> Publication:
    """Push the winner as a branch, and open a pull request with the evidence.

    Again, it answers with the first one.

    When the branch was pushed but the pull request refused (502), publishing again goes
    on where it stopped.
    """
    return await app.keeping.publish(run_id, wish)


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
    """Download a run that has ended as one file: the run, its events and its patches."""
    name = f"aideator-{run_id[-12:]}.zip"
    return Response(
        await app.keeping.export(run_id),
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
    """Read a run from a file, to be looked at and watched again.

    Nothing more happens in it.
    """
    return await app.keeping.import_(await request.body())


@router.get("/stats")
async def stats(app: App) -> Stats:
    """What the decisions say: wins by agent, model and strategy with 95 % intervals, and what they cost."""
    return await app.keeping.stats()
