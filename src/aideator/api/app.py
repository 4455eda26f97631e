"""The HTTP application: FastAPI with the routes, problem documents and the guard.

Optional packages add theirs as `extension.py` describes.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

from fastapi import FastAPI
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import (
    DEFAULT_EXCLUDED_CONTENT_TYPES,
    GZipMiddleware,
)

from aideator import __version__
from aideator.api import auth, problems, reference
from aideator.api.activity import Activity, CountRequests
from aideator.api.extension import Extension, load_extensions
from aideator.api.guard import Guard, is_loopback_name
from aideator.api.revocation import Revocable, end_revoked
from aideator.api.routes import (
    admin,
    code,
    dashboard,
    decisions,
    health,
    hosts,
    repositories,
    runs,
    server,
)
from aideator.api.sessions import LoginThrottle, Sessions
from aideator.api.site import Site
from aideator.api.stream import StreamSlots
from aideator.app import Aideator, open_app
from aideator.environment import SettingsError
from aideator.settings import Settings
from aideator.web import load

_ROUTERS = (
    runs,
    decisions,
    code,
    hosts,
    repositories,
    dashboard,
    admin,
    health,
    server,
    auth,
)


def create_app(
    source: Aideator | Settings, *, slots: StreamSlots | None = None
) -> FastAPI:
    """Create the application.

    Args:
        source: An opened facade; or settings, by which the application opens one when
            it starts.
        slots: How many streams may be open.

    Raises:
        SettingsError: if ALLOWED_ORIGINS would allow every page of the web.
    """
    settings = source if isinstance(source, Settings) else source.settings
    if "*" in settings.allowed_origins:
        raise SettingsError(
            "ALLOWED_ORIGINS: name each origin; "
            "* would let every web page drive this server"
        )
    extensions = load_extensions(settings)
    activity = Activity()
    app = FastAPI(
        title=settings.project_name,
        version=__version__,
        summary="N coding agents in, one proven change out.",
        docs_url=None,
        redoc_url=None,
        lifespan=_lifespan,
        middleware=[
            Middleware(CountRequests, activity=activity),
            *_middleware(settings, extensions),
        ],
    )
    app.state.activity = activity
    app.state.source = source
    app.state.slots = slots or StreamSlots()
    app.state.sessions = Sessions()
    app.state.logins = LoginThrottle()
    app.state.revocable = [
        extension.revocable for extension in extensions if extension.revocable
    ]
    app.state.examination = dashboard.Examination()
    app.state.inspections = repositories.inspections()
    app.state.measuring = admin.measuring()
    if isinstance(source, Aideator):
        app.state.aideator = source
    problems.install(app)
    app.include_router(health.probes)
    for router in (
        *(module.router for module in _ROUTERS),
        *(extension.router for extension in extensions),
    ):
        app.include_router(router, prefix=settings.api_v1_prefix)
    reference.install(app, settings)
    frame_sources = [e.frame_source for e in extensions if e.frame_source]
    app.router.default = Site(load(), settings.api_v1_prefix, frame_sources)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with AsyncExitStack() as stack:
        if not isinstance(app.state.source, Aideator):
            opened = await stack.enter_async_context(open_app(app.state.source))
            app.state.aideator = opened
        aideator: Aideator = app.state.aideator
        places: list[Revocable] = [
            app.state.slots,
            *(revocable(aideator) for revocable in app.state.revocable),
        ]
        async with asyncio.TaskGroup() as tasks:
            watch = tasks.create_task(end_revoked(aideator, app.state.sessions, places))
            yield
            watch.cancel()


def _middleware(
    settings: Settings, extensions: Sequence[Extension]
) -> list[Middleware]:
    """Return the middleware, from the outermost to the innermost."""
    middleware: list[Middleware] = []
    body_limits: dict[str, int] = {}
    for extension in extensions:
        middleware += extension.middleware
        for path, most in extension.body_limits.items():
            body_limits[settings.api_v1_prefix + path] = most
    guard = Middleware(
        Guard,
        loopback=is_loopback_name(settings.aideator_host),
        hosts=settings.allowed_hosts,
        origins=settings.allowed_origins,
        body_limits=body_limits,
    )
    middleware += [guard, _compression()]
    if settings.allowed_origins:
        middleware.append(_cors(settings))
    return middleware


def _compression() -> Middleware:
    """Return what compresses JSON, and never a stream.

    Everything that is sent piece by piece is text, in which a piece must not wait for
    the next one.
    """
    return Middleware(
        GZipMiddleware,
        minimum_size=1024,
        compresslevel=5,
        exclude_content_types=(
            *DEFAULT_EXCLUDED_CONTENT_TYPES,
            "text/*",
            "application/octet-stream",
        ),
    )


def _cors(settings: Settings) -> Middleware:
    return Middleware(
        CORSMiddleware,
        allow_origins=settings.allowed_origins,
        allow_methods=["GET", "POST", "DELETE"],
        allow_headers=[
            "Content-Type",
            "Idempotency-Key",
            "Last-Event-ID",
            settings.api_key_header,
        ],
        expose_headers=["Location"],
        allow_credentials=True,
    )


if __name__ == "__main__":
    import sys

    sys.stdout.write(reference.markdown(create_app(Settings(_env_file=None)).openapi()))
