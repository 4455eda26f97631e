"""Routes by which runs continue and are decided.

Follow-ups, further agents, compositions, clearing flags, taking a decision back. Each
route parses, calls the facade and renders.
"""

from typing import Annotated

from fastapi import APIRouter, Body, Depends
from pydantic import ConfigDict, Field

from aideator.api.auth import identify
from aideator.api.dependencies import App, RunId, VariationId
from aideator.api.problems import responses
from aideator.api.schemas import FollowUp, RequestBody, openapi_examples
from aideator.domain.run import AgentSpec, ComposedPart, RunDetails

router = APIRouter(
    tags=["decisions"],
    dependencies=[Depends(identify)],
    responses=responses(401, 403, 421, 422),
)
_MOVED = responses(400, 404, 409, 413, 503)


class Composition(RequestBody):
    """The parts of other variations that a new variation combines."""

    # Not strict: FastAPI has decoded the JSON, and strict mode takes no list as tuple.
    model_config = ConfigDict(strict=False)

    parts: tuple[ComposedPart, ...] = Field(min_length=1, max_length=1000)


class Labels(RequestBody):
    """What a person writes on a run. A field that is absent stays as it is."""

    title: str | None = Field(default=None, max_length=200, examples=["Cut words"])
    """A name; an empty one takes the name away."""
    archived: bool | None = None
    """Whether the page lists it in the archive only."""


class Clearance(RequestBody):
    """Why a person accepts what a variation is flagged for."""

    reason: str = Field(
        min_length=1,
        max_length=2000,
        examples=["The old expectation was wrong, see #12"],
    )
    """Kept with the variation."""


_AGENTS = openapi_examples(
    another_strategy={"agent": "builtin", "instructions": "Write the test first."}
)
_PARTS = openapi_examples(
    a_file_and_a_hunk={
        "parts": [
            {"variation_id": 1, "path": "reflow.py"},
            {"variation_id": 3, "path": "test_wrap.py", "hunks": [0]},
        ]
    }
)


@router.post("/runs/{run_id}/prompt", status_code=202, responses=_MOVED)
async def prompt_all(run_id: RunId, turn: FollowUp, app: App) -> RunDetails:
    """Give every settled variation a follow-up turn on its own tree.

    Composed variations, which no agent wrote, stay as they are.
    """
    return await app.prompt(run_id, None, turn.prompt)


@router.post("/runs/{run_id}/variations", status_code=202, responses=_MOVED)
async def add(
    run_id: RunId, agent: Annotated[AgentSpec, Body(openapi_examples=_AGENTS)], app: App
) -> RunDetails:
    """Add one more agent to the run, also while the others work."""
    return await app.add(run_id, agent)


@router.post("/runs/{run_id}/compose", status_code=202, responses=_MOVED)
async def compose(
    run_id: RunId,
    wanted: Annotated[Composition, Body(openapi_examples=_PARTS)],
    app: App,
) -> RunDetails:
    """Combine files and hunks of variations as a new one, checked like every other.

    Hunks count from 0, as `…/diff` lists them. Parts that cannot be combined are
    answered with 409, and named.
    """
    return await app.compose(run_id, wanted.parts)


@router.post("/runs/{run_id}/variations/{number}/clear", responses=_MOVED)
async def clear(
    run_id: RunId, number: VariationId, clearance: Clearance, app: App
) -> RunDetails:
    """Clear a variation's flags, with a reason; the run is ranked again."""
    return await app.clear(run_id, number, clearance.reason)


@router.post("/runs/{run_id}/labels", responses=responses(400, 404, 413))
async def label(run_id: RunId, labels: Labels, app: App) -> RunDetails:
    """Name a run, or put it into the archive or back."""
    return await app.label(run_id, title=labels.title, archived=labels.archived)


@router.post("/runs/{run_id}/deselect", responses=_MOVED)
async def deselect(run_id: RunId, app: App) -> RunDetails:
    """Take the decision back, until the winner is published.

    A run without one stays as it is.
    """
    return await app.deselect(run_id)
