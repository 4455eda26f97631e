"""Routes for the page beside the runs: server, runs at a glance, doctor, demo."""

import asyncio
import time
from collections.abc import Sequence
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request

from aideator import __version__
from aideator.api.auth import Caller, identify, is_local
from aideator.api.dependencies import App, PageCursor, PageLimit
from aideator.api.problems import responses
from aideator.api.schemas import Accepted, ResponseBody
from aideator.app import Aideator
from aideator.domain.run import MIN_PROMPT, RunStatus
from aideator.setup.network import AUTO
from aideator.store import overview

_FRESH_SECONDS = 60.0
"""How long an examination of the machine stays valid: it opens a sandbox."""
router = APIRouter(
    tags=["page"], dependencies=[Depends(identify)], responses=responses(401, 403, 421)
)


class ServerInfo(ResponseBody):
    """What a submission form needs to know about this server."""

    name: str
    version: str
    caller: str
    """The caller: the id of a key, or "this machine"."""
    local: bool
    """Whether the caller may name paths of this machine as repositories."""
    model_ready: bool
    """Whether a model can be called: a key is set, or another provider than the
    default."""
    min_prompt_length: int
    """For `POST /runs` with `short_prompt=true`, and for follow-ups."""
    max_prompt_length: int
    max_variations: int
    max_parallel_variations: int
    agent_timeout: float
    """Seconds that one turn of an agent may take."""
    git_hosts: tuple[str, ...]
    """Hosts from which repositories may come."""
    setup_open: bool
    """Whether a run may name further hosts for its set-up (`allowed_hosts`)."""
    demo_repo: str | None
    """The demo's repository: a run on it is scripted."""
    recent: tuple[overview.Recent, ...]
    """Repositories of the latest runs."""
    latest_costs: tuple[float, ...]
    """US dollars that the latest finished variations have cost, newest first. The free
    demo does not count."""


class Overview(ResponseBody):
    """Some runs at a glance, newest first."""

    runs: tuple[overview.Summary, ...]
    next: str | None
    """Pass it as `cursor` for the next page; null on the last one."""


class FindingOut(ResponseBody):
    """One finding about this machine."""

    name: str
    ok: bool
    detail: str
    fix: str
    """How to fix it; empty where nothing is wrong."""
    fatal: bool
    """Whether no run can be carried out without it."""


@router.get("/server")
async def server(request: Request, app: App, caller: Caller) -> ServerInfo:
    """Show what may be submitted here, and by whom."""
    settings = app.settings
    recent = await app.database.look(overview.recent_repositories)
    local = is_local(request)
    demo_repo = str(app.demo.project) if app.demo else None
    costs = await app.database.look(
        partial(overview.latest_costs, without=demo_repo or "")
    )
    return ServerInfo(
        name=settings.project_name,
        version=__version__,
        caller=caller,
        local=local,
        model_ready=settings.has_a_model,
        min_prompt_length=MIN_PROMPT,
        max_prompt_length=settings.max_prompt_length,
        max_variations=settings.max_variations,
        max_parallel_variations=settings.max_parallel_variations,
        agent_timeout=settings.agent_timeout,
        git_hosts=(*settings.allowed_git_hosts, *settings.private_git_hosts),
        setup_open=AUTO in settings.setup_allowed_hosts,
        demo_repo=demo_repo,
        recent=tuple(
            each for each in recent if local or not each.repo_url.startswith("/")
        ),
        latest_costs=tuple(costs),
    )


@router.get("/overview", responses=responses(422))
async def list_at_a_glance(
    app: App,
    *,
    cursor: PageCursor = None,
    limit: PageLimit = 50,
    status: Annotated[
        list[RunStatus] | None, Query(description="Only runs in one of these states.")
    ] = None,
    search: Annotated[
        str, Query(max_length=200, description="Words of the prompt or the repository.")
    ] = "",
    archived: Annotated[
        bool, Query(description="Runs in the archive, instead of those outside it.")
    ] = False,
) -> Overview:
    """List runs with what a table shows of each: agents, results, cost, winner."""
    look = partial(
        overview.page,
        before=cursor,
        limit=limit + 1,
        statuses=status or (),
        search=search,
        archived=archived,
    )
    found = await app.database.look(look)
    return Overview(
        runs=tuple(found[:limit]),
        next=found[limit - 1].id if len(found) > limit else None,
    )


@router.get("/doctor")
async def doctor(request: Request, app: App) -> Sequence[FindingOut]:
    """Report what works on this machine and which limits are enforced.

    `aideator doctor` shows the same.
    """
    examination: Examination = request.app.state.examination
    return await examination.findings(app)


@router.post("/demo", status_code=202, responses=responses(503))
async def demo(app: App) -> Accepted:
    """Start the demo: three agents on a small project, with a scripted model.

    It needs no key and costs nothing.
    """
    run = await app.submit_demo()
    here = f"{app.settings.api_v1_prefix}/runs/{run.id}/stream"
    return Accepted(run_id=run.id, stream_url=here, estimated_duration_seconds=30)


class Examination:
    """Findings of `aideator doctor`, kept for a minute, as several pages may ask."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._at = 0.0
        self._found: list[FindingOut] = []

    async def findings(self, app: Aideator) -> list[FindingOut]:
        """Return the findings; examine the machine if the last ones are too old."""
        # Imported late: what it loads, only a server that works has loaded already.
        from aideator.app.wiring import examine  # noqa: PLC0415

        async with self._lock:
            if not self._found or time.monotonic() - self._at > _FRESH_SECONDS:
                self._found = [
                    FindingOut.model_validate(vars(each))
                    for each in await examine(app.settings)
                ]
                self._at = time.monotonic()
            return self._found
