"""Routes of the workbench: terminals, and previews of what a project serves."""

import base64
import json
import re
from collections.abc import AsyncGenerator, Collection
from contextlib import aclosing
from typing import Annotated, Self

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from fastapi.sse import format_sse_event
from pydantic import Field
from starlette.middleware import Middleware

from aideator.api.auth import Credential, identify
from aideator.api.dependencies import App, LastEventId, RunId, VariationId
from aideator.api.extension import Extension
from aideator.api.problems import responses, text
from aideator.api.schemas import RequestBody, ResponseBody
from aideator.api.stream import MAX_ID, EventStream, cursor, stream_to
from aideator.app import Aideator
from aideator.domain.errors import Conflict
from aideator.sandbox.base import Size
from aideator.settings import Settings
from aideator.workbench.model import Place, Preview, Terminal
from aideator.workbench.preview_host import PreviewHosts, parent_host
from aideator.workbench.service import opened_workbench, workbench_of
from aideator.workbench.terminal import Ended, LiveTerminal, Printed

_ORIGIN = re.compile(r"https?://[a-z0-9.:\[\]-]+", re.IGNORECASE)
_LARGEST = 1000
"""Rows and columns of the largest terminal."""

router = APIRouter(
    tags=["workbench"],
    dependencies=[Depends(identify)],
    responses=responses(401, 403, 404, 421, 422),
)
Id = Annotated[str, Path(description="Its id.", max_length=64)]
Characters = Annotated[int, Field(ge=1, le=_LARGEST)]
_OPENED = responses(400, 409, 413, 429, 503)
_TYPED = responses(400, 409, 413, 429)


class SizeIn(RequestBody):
    """The size of a terminal, in characters."""

    rows: Characters = 24
    cols: Characters = 80


class TerminalIn(SizeIn):
    """The terminal to open."""

    command: str | None = Field(
        default=None,
        min_length=1,
        max_length=10_000,
        examples=["python -m http.server"],
    )
    """Runs in a shell of its own; an interactive shell when absent."""


class Keys(RequestBody):
    """Typed keys."""

    keys: str = Field(max_length=64 * 2**10, examples=["ls\r"])
    """As a terminal sends them: Enter is U+000D, Ctrl-C is U+0003."""


class PreviewIn(RequestBody):
    """The port to preview."""

    port: int = Field(ge=1, le=65_535, examples=[3000])
    """Where a server of the project listens inside the sandbox, or will."""


class TerminalOut(Terminal):
    """A terminal in a variation's sandbox."""

    stream_url: str
    """Where it can be watched, relative to this server."""

    @classmethod
    def of(cls, details: Terminal, prefix: str) -> Self:
        """The terminal with its address."""
        return cls(
            **dict(details), stream_url=f"{prefix}/terminals/{details.id}/stream"
        )


class PreviewOut(ResponseBody):
    """A preview of a server in a variation's sandbox."""

    id: str
    port: int
    place: Place
    url: str
    """Show it in a frame: an origin of its own, which cannot be guessed. It is valid
    until the preview closes."""


class WorkbenchOut(ResponseBody):
    """What is open at a variation, and what can be opened."""

    terminals: tuple[TerminalOut, ...]
    """Also some that have ended."""
    previews: tuple[PreviewOut, ...]
    place: Place | None
    """Where the next one would be opened; null when none can be."""
    reason: str | None
    """Why none can be opened, and what would help."""


@router.get("/runs/{run_id}/variations/{number}/terminals")
async def show(
    run_id: RunId, number: VariationId, request: Request, app: App
) -> WorkbenchOut:
    """List what is open at a variation, and say whether more can be opened."""
    state = await workbench_of(app).state(run_id, number)
    prefix, host = app.settings.api_v1_prefix, app.settings.preview_host
    return WorkbenchOut(
        terminals=tuple(TerminalOut.of(details, prefix) for details in state.terminals),
        previews=tuple(
            _with_address(details, request, host) for details in state.previews
        ),
        place=state.place,
        reason=state.reason,
    )


@router.post(
    "/runs/{run_id}/variations/{number}/terminals", status_code=201, responses=_OPENED
)
async def open_terminal(
    run_id: RunId,
    number: VariationId,
    wanted: TerminalIn,
    request: Request,
    app: App,
) -> TerminalOut:
    """Open a terminal.

    It is in the agent's own sandbox while the agent works, in a copy of the change
    afterwards.
    """
    details = await workbench_of(app).open_terminal(
        run_id,
        number,
        Size(wanted.rows, wanted.cols),
        wanted.command,
        opener=request.state.credential,
    )
    return TerminalOut.of(details, app.settings.api_v1_prefix)


@router.get(
    "/terminals/{terminal_id}/stream",
    response_class=Response,
    responses=text("What it prints, as it comes", "text/event-stream")
    | responses(400, 429, 503),
)
async def watch_terminal(
    terminal_id: Id,
    request: Request,
    app: App,
    after: Annotated[
        int, Query(ge=0, le=MAX_ID, description="Bytes that the client has seen.")
    ] = 0,
    last_event_id: LastEventId = None,
) -> EventStream:
    """Watch a terminal as Server-Sent Events.

    `output` has `{at, data}`: the offset of the first byte, and the bytes in base64;
    its `id` is the offset behind them. `exit` has `{exit_code, reason}` and is the last
    one. Old output makes room for new: where `at` is not the offset at which the client
    stood, something is gone.
    """
    terminal = workbench_of(app).terminal(terminal_id)
    pieces = _framed(terminal, cursor(last_event_id, after))
    return stream_to(request, pieces)


@router.post("/terminals/{terminal_id}/input", status_code=204, responses=_TYPED)
async def type_keys(terminal_id: Id, typed: Keys, app: App) -> None:
    """Send what a person types."""
    await workbench_of(app).terminal(terminal_id).type(typed.keys)


@router.post("/terminals/{terminal_id}/size", status_code=204, responses=_TYPED)
async def resize(terminal_id: Id, size: SizeIn, app: App) -> None:
    """Give a terminal another size."""
    await workbench_of(app).terminal(terminal_id).resize(Size(size.rows, size.cols))


@router.delete("/terminals/{terminal_id}", status_code=204)
async def close_terminal(terminal_id: Id, app: App) -> None:
    """Close a terminal; its processes end."""
    await workbench_of(app).close_terminal(terminal_id)


@router.post(
    "/runs/{run_id}/variations/{number}/previews", status_code=201, responses=_OPENED
)
async def open_preview(
    run_id: RunId, number: VariationId, wanted: PreviewIn, request: Request, app: App
) -> PreviewOut:
    """Open a preview of a server of the project, whether it listens yet or not."""
    host = app.settings.preview_host
    _parent(request, host)  # raise before anything is opened
    origin = request.headers.get("origin", "")
    page = (
        origin
        if _ORIGIN.fullmatch(origin)
        else f"{request.url.scheme}://{request.headers['host']}"
    )
    return _with_address(
        await workbench_of(app).open_preview(
            run_id, number, wanted.port, page, opener=request.state.credential
        ),
        request,
        host,
    )


@router.delete("/previews/{preview_id}", status_code=204)
async def close_preview(preview_id: Id, app: App) -> None:
    """Close a preview."""
    workbench_of(app).close_preview(preview_id)


async def _framed(terminal: LiveTerminal, after: int) -> AsyncGenerator[bytes]:
    """Yield what a terminal prints behind the byte `after`, and its end, as SSE."""
    async with aclosing(terminal.follow(after)) as output:
        async for each in output:
            match each:
                case Printed(at, data):
                    yield _event(
                        "output",
                        each.end,
                        at=at,
                        data=base64.b64encode(data).decode(),
                    )
                case Ended(at, exit_code, reason):
                    yield _event("exit", at, exit_code=exit_code, reason=reason)


def _event(kind: str, id_: int, **data: object) -> bytes:
    return format_sse_event(data_str=json.dumps(data), event=kind, id=str(id_))


def _with_address(details: Preview, request: Request, host: str | None) -> PreviewOut:
    is_https = request.headers.get("origin", "").startswith("https:")
    scheme = "https" if is_https else request.url.scheme
    url = f"{scheme}://{details.id}.{_parent(request, host)}/"
    return PreviewOut(id=details.id, port=details.port, place=details.place, url=url)


def _parent(request: Request, host: str | None) -> str:
    parent = parent_host(request.headers.get("host", ""), host)
    if parent is None:
        raise Conflict(
            "a preview needs host names of its own here",
            hint="set PREVIEW_HOST to a name with wildcard DNS, "
            "or use the page at localhost",
        )
    return parent


class _Opened:
    """The terminals and previews of an application, which end with their opener's key.

    See `aideator.api.revocation`.
    """

    def __init__(self, app: Aideator) -> None:
        self._app = app

    def holders(self) -> Collection[Credential]:
        workbench = opened_workbench(self._app)
        return workbench.openers() if workbench else ()

    async def revoke(self, holder: Credential) -> None:
        await workbench_of(self._app).close_all_of(holder)


def extension(settings: Settings) -> Extension:
    """Add the routes, and the host names of previews, to the HTTP application."""

    def frame_source(host: str) -> str | None:
        parent = parent_host(host, settings.preview_host)
        return f"*.{parent}" if parent else None

    previews = Middleware(
        PreviewHosts, host=settings.preview_host, key_header=settings.api_key_header
    )
    return Extension(
        router=router,
        middleware=[previews],
        frame_source=frame_source,
        revocable=_Opened,
    )
