"""The HTTP application: FastAPI with our routes, problem documents, and one guard in front of everything."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware

from aideator import __version__
from aideator.api import auth, problems, reference
from aideator.api.guard import Guard, is_loopback_name
from aideator.api.routes import admin as operating
from aideator.api.routes import dashboard as page
from aideator.api.routes import decisions as deciding
from aideator.api.routes import health, runs
from aideator.api.routes import repositories as inspect
from aideator.api.site import Site
from aideator.api.stream import StreamSlots
from aideator.app import Aideator, open_app
from aideator.archive.format import MAX_FILE
from aideator.settings import Settings, SettingsError
from aideator.web import load
from aideator.workbench import routes as workbench
from aideator.workbench.preview_host import Previews


def create_app(
    source: Aideator | Settings, *, slots: StreamSlots | None = None
) -> FastAPI:
    """Make the application.

    Args:
        source: An opened façade; or settings, by which the application opens one when
            it starts.
        slots: How many streams may be open.

    Raises:
        SettingsError: if ALLOWED_ORIGINS would let every page of the web in.
    """
    settings = source if isinstance(source, Settings) else source.settings
    if "*" in settings.allowed_origins:
        raise SettingsError(
            "ALLOWED_ORIGINS: name each origin; * would let every web page drive this server"
        )
    app = FastAPI(
        title=settings.project_name,
        version=__version__,
        summary="N coding agents in, one proven change out.",
        docs_url=None,
        redoc_url=None,
        lifespan=_lifespan,
        middleware=_middleware(settings),
    )
    app.state.source = source
    app.state.slots = slots or StreamSlots()
    app.state.sessions = auth.Sessions()
    app.state.examination = page.Examination()
    app.state.inspections = inspect.inspections()
    app.state.measuring = operating.measuring()
    if isinstance(source, Aideator):
        app.state.aideator = source
    problems.install(app)
    app.include_router(health.probes)
    for module in (runs, deciding, workbench, inspect, page, operating, health, auth):
        app.include_router(module.router, prefix=settings.api_v1_prefix)
    reference.install(app, settings)
    app.router.default = Site(load(), settings.api_v1_prefix, settings.preview_host)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    if isinstance(app.state.source, Aideator):
        yield
        return
    async with open_app(app.state.source) as aideator:
        app.state.aideator = aideator
        yield


def _middleware(settings: Settings) -> list[Middleware]:
    origins = settings.allowed_origins
    guard = Middleware(
        Guard,
        loopback=is_loopback_name(settings.aideator_host),
        hosts=settings.allowed_hosts,
        origins=origins,
        large={f"{settings.api_v1_prefix}/runs/import": MAX_FILE},
    )
    previews = Middleware(
        Previews, host=settings.preview_host, key_header=settings.api_key_header
    )
    if not origins:
        return [previews, guard]
    cors = Middleware(
        CORSMiddleware,
        allow_origins=origins,
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
    return [previews, guard, cors]


if __name__ == "__main__":
    import sys

    sys.stdout.write(reference.markdown(create_app(Settings(_env_file=None)).openapi()))
