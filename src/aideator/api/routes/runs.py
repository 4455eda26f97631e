"""Routes of runs: submit, show, stream, select, cancel, prompt.

Each route parses, calls the facade, and renders.
"""

import hashlib
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, Header, Query, Request, Response
from pydantic import Field

from aideator.api.auth import (
    Caller,
    identify,
    is_servers_user,
    locate_for,
    may_use_path,
)
from aideator.api.dependencies import (
    App,
    LastEventId,
    PageCursor,
    PageLimit,
    RunId,
    VariationId,
)
from aideator.api.problems import responses, text
from aideator.api.schemas import (
    MIN_SUBMITTED_PROMPT,
    Accepted,
    FollowUp,
    RequestBody,
    ResponseBody,
    Submission,
)
from aideator.api.stream import MAX_ID, cursor, of_run, stream_to
from aideator.app import Aideator
from aideator.changes.diff import FileDiff
from aideator.domain.errors import FieldError, InvalidInput
from aideator.domain.events import Event
from aideator.domain.run import (
    MAX_NUMBER,
    MIN_PROMPT,
    Run,
    RunDetails,
    RunSpec,
    RunStatus,
)
from aideator.observability import RUNS

FIRST_GUESS_SECONDS = 120
"""The estimate for a variation before any run has finished here."""


class RunListPage(ResponseBody):
    """Some runs, newest first."""

    runs: tuple[Run, ...]
    next: str | None
    """Pass it as `cursor` for the next page; null on the last one."""


class EventPage(ResponseBody):
    """Some events, in order."""

    events: tuple[Event, ...]
    next: int | None
    """Pass it as `after` for the next page; null when there are no more events at
    present."""
    last: int
    """The seq of the run's newest event."""


class Selection(RequestBody):
    """Which variation wins."""

    winning_variation_id: int = Field(ge=1, le=MAX_NUMBER, examples=[1])
    reason: str = Field(
        default="",
        max_length=2000,
        examples=["The smallest change that passes every check"],
    )
    """Kept with the run."""


router = APIRouter(
    tags=["runs"],
    dependencies=[Depends(identify)],
    responses=responses(401, 403, 421, 422),
)
_FOUND = responses(404)
_MOVED = responses(400, 404, 409, 413, 503)
_SPECS: Any = {
    "short": {
        "summary": "Three of the default agent",
        "value": {
            "github_url": "https://github.com/user/repo",
            "prompt": "Refactor the main function",
            "variations": 3,
        },
    },
    "full": {
        "summary": "Own agents, set-up, checks and a budget",
        "value": {
            "repo_url": "https://github.com/user/repo",
            "ref": "main",
            "prompt": "Make the parser accept trailing commas",
            "lineup": [
                {"agent": "builtin"},
                {"agent": "builtin", "instructions": "Write the test first."},
            ],
            "setup": [{"command": "pip install -e .[test]", "timeout": 900}],
            "checks": [{"command": "python -m pytest -q", "timeout": 300}],
            "protected": ["tests/contract/**"],
            "budget": {"run_usd": 2.5},
        },
    },
}


@dataclass(frozen=True)
class Asked:
    """A submission and how it is to be taken.

    Attributes:
        spec: The run that is wanted.
        find_first: Whether to look for the repository before a run is stored.
        idempotency: The client's key and a hash of its request.
    """

    spec: RunSpec
    find_first: bool
    idempotency: tuple[str, str] | None


async def read_submission(
    caller: Caller,
    spec: Annotated[Submission, Body(openapi_examples=_SPECS)],
    *,
    short_prompt: Annotated[
        bool, Query(description="Take a prompt of 3 characters or more.")
    ] = False,
    find_first: Annotated[
        bool,
        Query(
            description="Answer only when the repository and the ref have been found."
            " Where they cannot be, no run is stored."
        ),
    ] = False,
    idempotency_key: Annotated[str | None, Header(min_length=1, max_length=200)] = None,
) -> Asked:
    """Read a submission, and refuse a prompt that is too short for a program's.

    Raises:
        InvalidInput: naming the prompt.
    """
    if not short_prompt and len(spec.prompt) < MIN_SUBMITTED_PROMPT:
        message = f"at least {MIN_SUBMITTED_PROMPT} characters; not {spec.prompt!r}"
        raise InvalidInput(
            fields=[FieldError("prompt", message)],
            hint=f"say more, or send `?short_prompt=true`, which takes {MIN_PROMPT}",
        )
    if idempotency_key is None:
        return Asked(spec, find_first, None)
    request_hash = hashlib.sha256(spec.model_dump_json().encode()).hexdigest()
    return Asked(spec, find_first, (f"{caller}:{idempotency_key}", request_hash))


@router.post("/runs", status_code=202, responses=_MOVED)
async def submit(
    request: Request,
    response: Response,
    app: App,
    asked: Annotated[Asked, Depends(read_submission)],
) -> Accepted:
    """Submit a run.

    The same `Idempotency-Key` with the same request leads to the same run.
    """
    repo_url, path = locate_for(request, asked.spec.repo_url, asked.spec.path)
    run = await app.submit(
        asked.spec.model_copy(update={"repo_url": repo_url, "path": path}),
        local=may_use_path(request, repo_url),
        own=is_servers_user(request),
        idempotency=asked.idempotency,
        find_first=asked.find_first,
    )
    RUNS.inc()
    here = f"{app.settings.api_v1_prefix}/runs/{run.id}"
    response.headers["Location"] = here
    return Accepted(
        run_id=run.id,
        stream_url=f"{here}/stream",
        estimated_duration_seconds=await _estimate(app, asked.spec),
    )


async def _estimate(app: Aideator, spec: RunSpec) -> int:
    slots = app.settings.max_parallel_variations
    turns = [
        seconds / math.ceil(agents / slots)
        for seconds, agents in await app.latest_durations()
    ]
    one = statistics.median(turns) if turns else FIRST_GUESS_SECONDS
    return max(1, math.ceil(one * math.ceil(spec.variations / slots)))


@router.get("/runs", responses=_FOUND)
async def list_runs(
    app: App,
    cursor: PageCursor = None,
    limit: PageLimit = 50,
    status: Annotated[
        RunStatus | None, Query(description="Only runs in this state.")
    ] = None,
    match: Annotated[
        str | None,
        Query(
            min_length=1,
            max_length=36,
            description="Only the one run whose id begins or ends with this, `@` for "
            "the newest; "
            "404 if there is none, or more than one.",
        ),
    ] = None,
) -> RunListPage:
    """List runs, newest first."""
    if match is not None:
        return RunListPage.model_construct(runs=(await app.find(match),), next=None)
    page = await app.list(before=cursor, limit=limit, status=status)
    return RunListPage.model_construct(runs=page.runs, next=page.next)


@router.get("/runs/{run_id}", responses=_FOUND)
async def show(run_id: RunId, app: App) -> RunDetails:
    """Show a run with its variations, verdicts and usage."""
    return await app.get(run_id)


@router.delete(
    "/runs/{run_id}",
    status_code=204,
    responses=responses(404, 409),
    response_class=Response,
)
async def delete(run_id: RunId, app: App) -> Response:
    """Delete a run that has ended, with its events, patches and results.

    What was published stays, and so do runs that were answered by its winner.
    """
    await app.delete(run_id)
    return Response(status_code=204)


@router.head("/runs/{run_id}/stream", include_in_schema=False)
@router.get(
    "/runs/{run_id}/stream",
    response_class=Response,
    responses={
        **text("The events as they come", "text/event-stream"),
        204: {
            "description": "The run is complete and the client has seen all of it: "
            "do not reconnect"
        },
        **responses(400, 404, 429, 503),
    },
)
async def stream(
    run_id: RunId,
    request: Request,
    app: App,
    after: Annotated[
        int,
        Query(ge=0, le=MAX_ID, description="The last seq that the client has seen."),
    ] = 0,
    last_event_id: LastEventId = None,
    *,
    interactive: Annotated[
        bool, Query(description="Whether the client answers questions of set-up.")
    ] = False,
) -> Response:
    """Watch a run as Server-Sent Events.

    `id` is the seq, `event` the kind, `data` an Event. The stream ends after
    `complete`.
    """
    seen = cursor(last_event_id, after)
    if await app.at_end(run_id, seen):
        return Response(status_code=204, headers={"Cache-Control": "no-store"})
    return stream_to(request, of_run(app, run_id, seen, interactive=interactive))


@router.get("/runs/{run_id}/events", responses=_FOUND, response_model=EventPage)
async def events(
    run_id: RunId,
    app: App,
    after: Annotated[
        int, Query(ge=0, le=MAX_ID, description="Only events above this seq.")
    ] = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 500,
) -> Response:
    """Read the stream's events as pages of JSON."""
    # The stored bytes are the answer: parsing them and writing them again would cost
    # ten times as much.
    last = await app.last_seq(run_id)
    found = await app.events(run_id, after=after, limit=limit)
    next_ = b"%d" % found[-1].seq if len(found) == limit else b"null"
    body = b'{"events":[%b],"next":%b,"last":%d}' % (
        b",".join(entry.data for entry in found),
        next_,
        max(last, found[-1].seq if found else 0),
    )
    return Response(body, media_type="application/json")


@router.post("/runs/{run_id}/select", responses=_MOVED)
async def select(run_id: RunId, choice: Selection, app: App) -> RunDetails:
    """Choose the winner, also in place of another one until it is published.

    Choosing the same one again changes nothing.
    """
    return await app.select(run_id, choice.winning_variation_id, choice.reason)


@router.post("/runs/{run_id}/cancel", responses=_MOVED)
async def cancel(run_id: RunId, app: App) -> RunDetails:
    """Stop a run. Stopping one that has ended changes nothing."""
    return await app.cancel(run_id)


@router.post("/runs/{run_id}/resume", status_code=202, responses=_MOVED)
async def resume(run_id: RunId, app: App) -> RunDetails:
    """Take up a run that a crash, or the end of the server, interrupted."""
    return await app.resume(run_id)


@router.post("/runs/{run_id}/variations/{number}/cancel", responses=_MOVED)
async def cancel_variation(run_id: RunId, number: VariationId, app: App) -> RunDetails:
    """Stop one variation; the others continue."""
    return await app.cancel(run_id, number)


@router.post(
    "/runs/{run_id}/variations/{number}/prompt", status_code=202, responses=_MOVED
)
async def prompt(
    run_id: RunId, number: VariationId, turn: FollowUp, app: App
) -> RunDetails:
    """Give a settled variation a follow-up turn on its own tree."""
    return await app.prompt(run_id, number, turn.prompt)


@router.get(
    "/runs/{run_id}/variations/{number}/patch",
    response_class=Response,
    responses=text("`git apply` takes it", "text/x-patch") | _FOUND,
)
async def patch(run_id: RunId, number: VariationId, app: App) -> Response:
    """Download what a variation changed, as `git diff --binary` writes it."""
    name = f"aideator-{run_id[-12:]}-{number}.patch"
    return Response(
        await app.patch(run_id, number),
        media_type="text/x-patch",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


@router.get("/runs/{run_id}/variations/{number}/diff", responses=_FOUND)
async def diff(run_id: RunId, number: VariationId, app: App) -> Sequence[FileDiff]:
    """Read what a variation changed, as files, hunks and lines."""
    return await app.diff(run_id, number)
