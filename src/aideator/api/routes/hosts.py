"""Routes for the hosts that set-ups ask for."""

from collections.abc import Sequence

from fastapi import APIRouter, Depends, Request
from pydantic import ConfigDict, Field

from aideator.api.auth import identify, is_local
from aideator.api.dependencies import App, RunId
from aideator.api.problems import responses
from aideator.api.schemas import RequestBody
from aideator.app import host_questions
from aideator.domain.hosts import HOST_PATTERN, MAX_HOST, AllowedHost, HostAnswer
from aideator.domain.run import RunDetails

router = APIRouter(
    tags=["hosts"],
    dependencies=[Depends(identify)],
    responses=responses(401, 403, 421, 422),
)


class HostDecision(RequestBody):
    """Whether set-up may reach a host."""

    # Not strict: FastAPI has decoded the JSON, and strict mode takes no text as enum.
    model_config = ConfigDict(strict=False)

    host: str = Field(
        pattern=HOST_PATTERN, max_length=MAX_HOST, examples=["files.example.org:443"]
    )
    """As in the event `host_asked`."""
    answer: HostAnswer


@router.post("/runs/{run_id}/hosts", responses=responses(400, 404, 409, 413, 503))
async def answer(
    run_id: RunId, decision: HostDecision, request: Request, app: App
) -> RunDetails:
    """Answer a run's set-up that asks for a host. It waits for the answer."""
    await host_questions.answer_host(
        app, run_id, decision.host, decision.answer, local=is_local(request)
    )
    return await app.get(run_id)


@router.get("/hosts")
async def list_hosts(app: App) -> Sequence[AllowedHost]:
    """List the hosts that people have allowed to set-ups."""
    return await host_questions.list_hosts(app)


@router.delete("/hosts/{host}", responses=responses(404))
async def forget_host(host: str, app: App) -> Sequence[AllowedHost]:
    """Allow a host (`host:port`) no more. Returns what was allowed."""
    return await host_questions.forget_host(app, host)
