"""A look into a variation over HTTP: terminals, and previews of what its project serves."""

import re
from typing import Annotated, Self

from fastapi import APIRouter, Depends, Header, Path, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from aideator.api.auth import Caller, identify
from aideator.api.problems import responses, text
from aideator.api.routes.runs import App, RunId, VariationId, stream_to
from aideator.api.stream import MAX_ID, EventStream, cursor, of_terminal
from aideator.domain.errors import Conflict
from aideator.sandbox.base import Size
from aideator.workbench.model import Desk, Place, Preview, Terminal
from aideator.workbench.preview_host import below_which

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
_TOLD = responses(400, 409, 413, 429)


class _Body(BaseModel):
    model_config = ConfigDict(
        extra="forbid", strict=True, use_attribute_docstrings=True
    )


class SizeIn(_Body):
    """The size of a terminal, in characters."""

    rows: Characters = 24
    cols: Characters = 80


class TerminalIn(SizeIn):
    """What terminal to open."""

    command: str | None = Field(
        default=None,
        min_length=1,
        max_length=10_000,
        examples=["python -m http.server"],
    )
    """Runs in a shell of its own; an interactive shell when absent."""


class Keys(_Body):
    """What a person types."""

    keys: str = Field(max_length=64 * 2**10, examples=["ls\r"])
    """As a terminal sends them: Enter is U+000D, Ctrl-C is U+0003."""


class PreviewIn(_Body):
    """What to preview."""

    port: int = Field(ge=1, le=65_535, examples=[3000])
    """Where a server of the project listens inside the sandbox, or will."""


class TerminalOut(Terminal):
    """A terminal in a variation's sandbox."""

    stream_url: str
    """Where it can be watched, relative to this server."""

    @classmethod
    def of(cls, told: Terminal, prefix: str) -> Self:
        """The terminal with its address."""
        return cls(**dict(told), stream_url=f"{prefix}/terminals/{told.id}/stream")


class PreviewOut(BaseModel):
    """A preview of a server in a variation's sandbox."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    id: str
    port: int
    place: Place
    url: str
    """Show it in a frame: an origin of its own, which nobody can guess. It is good for
    as long as the preview lives."""


class DeskOut(BaseModel):
    """What is open at a variation, and what can be opened."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    terminals: tuple[TerminalOut, ...]
    """Also some that have ended."""
    previews: tuple[PreviewOut, ...]
    place: Place | None
    """Where the next one would be opened; null when none can be."""
    reason: str | None
    """Why none can be opened, and what would help."""


@router.get("/runs/{run_id}/variations/{number}/terminals")
async def look(
    run_id: RunId, number: VariationId, request: Request, app: App
) -> DeskOut:
    """List what is open at a variation, and say whether more can be opened."""
    desk: Desk = await app.workbench.look(run_id, number)
    prefix = app.settings.api_v1_prefix
    return DeskOut(
        terminals=tuple(TerminalOut.of(told, prefix) for told in desk.terminals),
        previews=tuple(
            _with_address(told, request, app.settings.preview_host)
            for told in desk.previews
        ),
        place=desk.place,
        reason=desk.reason,
    )


@router.post(
    "/runs/{run_id}/variations/{number}/terminals", status_code=201, responses=_OPENED
)
async def open_terminal(
    run_id: RunId, number: VariationId, wish: TerminalIn, app: App
) -> TerminalOut:
    """Open a terminal: in the agent's own sandbox while it works, in a copy of the change afterwards."""
    told = await app.workbench.open_terminal(
        run_id, number, Size(wish.rows, wish.cols), wish.command
    )
    return TerminalOut.of(told, app.settings.api_v1_prefix)


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
    caller: Caller,
    after: Annotated[
        int, Query(ge=0, le=MAX_ID, description="Bytes that the client has seen.")
    ] = 0,
    last_event_id: Annotated[
        str | None, Header(description="Sent by browsers; it wins over `after`.")
    ] = None,
) -> EventStream:
    """Watch a terminal as Server-Sent Events.

    `output` has `{at, data}`: the offset of the first byte, and the bytes in base64;
    its `id` is the offset behind them. `exit` has `{exit_code, reason}` and is the last
    one. Old output makes room for new: where `at` is not the offset at which the client
    stood, something is gone.
    """
    return stream_to(
        request,
        caller,
        of_terminal(app.workbench.terminal(terminal_id), cursor(last_event_id, after)),
    )


@router.post("/terminals/{terminal_id}/input", status_code=204, responses=_TOLD)
async def type_keys(terminal_id: Id, typed: Keys, app: App) -> None:
    """Send what a person types."""
    await app.workbench.terminal(terminal_id).type(typed.keys)


@router.post("/terminals/{terminal_id}/size", status_code=204, responses=_TOLD)
async def resize(terminal_id: Id, size: SizeIn, app: App) -> None:
    """Give a terminal another size."""
    await app.workbench.terminal(terminal_id).resize(Size(size.rows, size.cols))


@router.delete("/terminals/{terminal_id}", status_code=204)
async def close_terminal(terminal_id: Id, app: App) -> None:
    """Close a terminal; its processes end."""
    await app.workbench.close_terminal(terminal_id)


@router.post(
    "/runs/{run_id}/variations/{number}/previews", status_code=201, responses=_OPENED
)
async def open_preview(
    run_id: RunId, number: VariationId, wish: PreviewIn, request: Request, app: App
) -> PreviewOut:
    """Open a preview of what a server of the project shows, whether it listens yet or not."""
    host = app.settings.preview_host
    _below(request, host)  # before anything is opened
    origin = request.headers.get("origin", "")
    page = (
        origin
        if _ORIGIN.fullmatch(origin)
        else f"{request.url.scheme}://{request.headers['host']}"
    )
    return _with_address(
        await app.workbench.open_preview(run_id, number, wish.port, page), request, host
    )


@router.delete("/previews/{preview_id}", status_code=204)
async def close_preview(preview_id: Id, app: App) -> None:
    """Close a preview."""
    app.workbench.close_preview(preview_id)


def _with_address(told: Preview, request: Request, host: str | None) -> PreviewOut:
    scheme = (
        "https"
        if request.headers.get("origin", "").startswith("https:")
        else request.url.scheme
    )
    url = f"{scheme}://{told.id}.{_below(request, host)}/"
    return PreviewOut(id=told.id, port=told.port, place=told.place, url=url)


def _below(request: Request, host: str | None) -> str:
    below = below_which(request.headers.get("host", ""), host)
    if below is None:
        raise Conflict(
            "a preview needs host names of its own here",
            hint="set PREVIEW_HOST to a name with wildcard DNS, or use the page at localhost",
        )
    return below
