"""What carries runs out here: cached repositories, gateway, sandboxes, engine, opened as the settings say."""

import asyncio
import resource
import shutil
import sqlite3
from contextlib import AsyncExitStack
from functools import partial

from aideator.agents.runtime import compile_packages
from aideator.agents.seating import make_agent
from aideator.app import source_policy
from aideator.app.demo import Demo
from aideator.domain.errors import Unavailable
from aideator.engine.base import Engine
from aideator.engine.local import open_local_engine
from aideator.engine.stage import Stage
from aideator.eventlog.sql import SqlEventLog
from aideator.gateway.app import open_gateway
from aideator.sandbox.base import Finding, Limits, SandboxBackend
from aideator.sandbox.registry import open_backend
from aideator.settings import Settings
from aideator.store.home import make_home, runtime_dir
from aideator.store.session import Database
from aideator.workspace.cache import RepositoryCache


async def start_engine(
    stack: AsyncExitStack, settings: Settings, database: Database, log: SqlEventLog, demo: Demo
) -> Engine:
    """Start the engine, and with it what an earlier process left unfinished. All of it ends with `stack`."""
    _raise_the_limit_of_open_files()
    home, runtime = settings.aideator_home, runtime_dir(settings.aideator_home)
    cache = open_cache(settings)
    await asyncio.to_thread(cache.recover)
    await asyncio.to_thread(compile_packages)  # else every sandbox would compile the agent's imports anew
    gateway = await stack.enter_async_context(
        open_gateway(
            socket=runtime / "gateway.sock",
            base_url=settings.anthropic_base_url,
            api_key=settings.anthropic_api_key,
        ),
    )
    stage = Stage(
        database=database,
        log=log,
        cache=cache,
        gateway=gateway,
        backend=_backend(settings),
        make_agent=partial(make_agent, wall_clock=settings.agent_timeout),
        limits=_limits(settings),
        home=home,
        max_attempts=settings.max_attempts,
        upstream=demo.upstream,
    )
    return await stack.enter_async_context(open_local_engine(stage, slots=settings.max_parallel_variations))


def _raise_the_limit_of_open_files() -> None:
    # A sandbox may hold more than a hundred connections, and a server many sandboxes; the soft limit is often 1024.
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def open_cache(settings: Settings) -> RepositoryCache:
    """The cached repositories of the state directory."""
    return RepositoryCache(
        settings.aideator_home,
        policy=source_policy(settings, local=True),  # what a remote user may name was checked at submission
        clone_timeout=settings.clone_timeout,
        max_repo_bytes=settings.max_repo_size_mb * 2**20,
        tokens={host: token.get_secret_value() for host, token in settings.tokens.items()},
        max_cache_bytes=settings.max_cache_size_mb * 2**20,
    )


def _backend(settings: Settings) -> SandboxBackend:
    return open_backend(
        settings.aideator_sandbox,
        runtime_dir=runtime_dir(settings.aideator_home),
        toolchains=settings.sandbox_toolchains,
    )


async def examine(settings: Settings) -> list[Finding]:
    """What works on this machine and what does not: `aideator doctor`."""
    git, model = shutil.which("git"), settings.anthropic_api_key is not None
    findings = [
        Finding("git", ok=git is not None, detail=git or "not found", fix="install git", fatal=True),
        Finding("sqlite", ok=True, detail=f"{sqlite3.sqlite_version}, one writing connection"),
        Finding(
            "model",
            ok=model or settings.anthropic_base_url != Settings.model_fields["anthropic_base_url"].default,
            detail="ANTHROPIC_API_KEY is set" if model else f"no ANTHROPIC_API_KEY, for {settings.anthropic_base_url}",
            fix="export ANTHROPIC_API_KEY=…; `aideator demo` works without one",
        ),
    ]
    if settings.redis_url:
        findings.append(Finding("redis", ok=False, detail="REDIS_URL is set, but not used in this version"))
    try:
        make_home(settings.aideator_home)
    except Unavailable as error:
        return [*findings, Finding("state", ok=False, detail=str(error), fix=error.hint, fatal=True)]
    findings.append(Finding("state", ok=True, detail=str(settings.aideator_home)))
    return findings + await _backend(settings).check()


def _limits(settings: Settings) -> Limits:
    return Limits(
        memory_bytes=settings.agent_memory_limit,
        cpus=settings.agent_cpu_limit,
        pids=settings.agent_pids_limit,
        disk_bytes=settings.agent_disk_limit,
    )
