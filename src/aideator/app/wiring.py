"""What carries runs out here: cached repositories, gateway, sandboxes, engine, opened as the settings say."""

import asyncio
import base64
import hashlib
import os
import platform
import resource
import shutil
import sqlite3
from contextlib import AsyncExitStack, suppress
from functools import partial
from pathlib import Path

from aideator.agents.factory import make_agent
from aideator.agents.runtime import compile_packages
from aideator.app.demo import Demo
from aideator.app.sources import open_cache
from aideator.domain.errors import SandboxUnavailable, Unavailable
from aideator.domain.project import Project
from aideator.engine.base import Engine
from aideator.engine.context import RunContext
from aideator.engine.local.engine import open_local_engine
from aideator.eventlog.sql import SqlEventLog
from aideator.gateway.app import open_gateway
from aideator.sandbox.base import Finding, Limits
from aideator.sandbox.registry import BUBBLEWRAP, Backends, DaggerOptions
from aideator.settings import Settings
from aideator.setup.egress import Egress
from aideator.setup.environment import Workshop, missing_tools
from aideator.setup.project import find_project
from aideator.store.home import make_home, runtime_dir
from aideator.store.session import Database

_NO_HOSTS = "may reach no host, so it installs nothing (SETUP_ALLOWED_HOSTS)"


async def start_engine(
    stack: AsyncExitStack,
    settings: Settings,
    database: Database,
    log: SqlEventLog,
    demo: Demo,
) -> tuple[Engine, RunContext]:
    """Start the engine, and with it what an earlier process left unfinished.

    All of it ends with `stack`.
    """
    _raise_the_limit_of_open_files()
    home, runtime = settings.aideator_home, runtime_dir(settings.aideator_home)
    cache = open_cache(settings)
    await asyncio.to_thread(cache.recover)
    await asyncio.to_thread(
        compile_packages
    )  # else every sandbox would compile the agent's imports anew
    gateway = await stack.enter_async_context(
        open_gateway(
            socket=runtime / "gateway.sock",
            base_url=settings.anthropic_base_url,
            api_key=settings.anthropic_api_key,
        ),
    )
    backends = _backends(settings)
    context = RunContext(
        database=database,
        log=log,
        cache=cache,
        workshop=partial(
            Workshop,
            home=home,
            runtime=runtime,
            limits=_setup_limits(settings),
            egress=egress(settings),
            variables=settings.setup_env,
            places=asyncio.Semaphore(2),
        ),
        egress=egress(settings),
        gateway=gateway,
        choose_backend=backends.choose,
        make_agent=partial(make_agent, wall_clock=settings.agent_timeout),
        limits=_limits(settings),
        home=home,
        environment=_environment(settings),
        max_attempts=settings.max_attempts,
        upstream=demo.upstream,
    )
    engine = await stack.enter_async_context(
        open_local_engine(context, slots=settings.max_parallel_variations)
    )
    return engine, context


def _environment(settings: Settings) -> str:
    """A hash of what a check can see beside the tree, as it is now: programs, their versions, limits.

    Whoever installs something changes a folder of it. A server that runs meanwhile
    believes its memory until it starts anew; only what a check could not even begin to
    run is tried again at once.
    """
    folders = [
        folder
        for root in (Path("/usr"), *settings.sandbox_toolchains)
        for folder in _down_to(root, 3)
    ]
    seen = [
        platform.platform(),
        settings.aideator_sandbox,
        settings.agent_container_image,
        repr(_limits(settings)),
        *(f"{folder} {folder.stat().st_mtime_ns}" for folder in folders),
    ]
    return hashlib.sha256("\n".join(seen).encode()).hexdigest()


def _down_to(root: Path, depth: int) -> list[Path]:
    inner = (
        sorted(path for path in root.glob("*/") if not path.is_symlink())
        if depth and root.is_dir()
        else []
    )
    return (
        [root, *(path for folder in inner for path in _down_to(folder, depth - 1))]
        if root.is_dir()
        else []
    )


def _raise_the_limit_of_open_files() -> None:
    # A sandbox may hold more than a hundred connections, and a server many sandboxes;
    # the soft limit is often 1024.
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


async def inspect(settings: Settings, repo_url: str, ref: str | None) -> Project:
    """What a run on this repository would do besides the agents' work."""
    cache = open_cache(settings)
    checkout = await cache.checkout(await cache.resolve(repo_url, ref))
    project = await asyncio.to_thread(find_project, checkout, egress(settings))
    missing: tuple[str, ...] = ()
    with suppress(SandboxUnavailable):  # `aideator doctor` says why
        backend = await _backends(settings).choose()
        # A container has its image's programs, and takes too long to open for a look.
        missing = (
            await missing_tools(backend, checkout, project)
            if backend.name == BUBBLEWRAP
            else ()
        )
    return project.model_copy(update={"notes": (*project.notes, *missing)})


def _backends(settings: Settings) -> Backends:
    return Backends(
        settings.aideator_sandbox,
        runtime_dir=runtime_dir(settings.aideator_home),
        toolchains=settings.sandbox_toolchains,
        policy=settings.isolation_policy,
        dagger=DaggerOptions(
            program=settings.dagger_cli,
            image=settings.agent_container_image,
            runner_host=settings.dagger_runner_host,
            cache_volume=""
            if settings.dagger_cache_volume == "none"
            else settings.dagger_cache_volume,
            workdir=settings.dagger_workdir,
            engine_timeout=settings.dagger_engine_timeout,
            log_output=settings.dagger_log_output,
            server=os.environ,
        ),
    )


async def examine(settings: Settings) -> list[Finding]:
    """What works on this machine and what does not: `aideator doctor`."""
    git, keyed = shutil.which("git"), settings.anthropic_api_key is not None
    findings = [
        Finding(
            "git",
            ok=git is not None,
            detail=git or "not found",
            fix="install git",
            fatal=True,
        ),
        Finding(
            "sqlite",
            ok=True,
            detail=f"{sqlite3.sqlite_version}, one writing connection",
        ),
        Finding(
            "model",
            ok=settings.has_a_model,
            detail="ANTHROPIC_API_KEY is set"
            if keyed
            else f"no ANTHROPIC_API_KEY, for {settings.anthropic_base_url}",
            fix="export ANTHROPIC_API_KEY=…; `aideator demo` works without one",
        ),
    ]
    hosts = ", ".join((*settings.setup_allowed_hosts, *settings.setup_private_hosts))
    findings.append(
        Finding("set-up", ok=True, detail=f"may reach {hosts}" if hosts else _NO_HOSTS)
    )
    if settings.redis_url:
        findings.append(
            Finding(
                "redis",
                ok=False,
                detail="REDIS_URL is set, but not used in this version",
            )
        )
    try:
        make_home(settings.aideator_home)
    except Unavailable as error:
        return [
            *findings,
            Finding("state", ok=False, detail=str(error), fix=error.hint, fatal=True),
        ]
    findings.append(Finding("state", ok=True, detail=str(settings.aideator_home)))
    return findings + await _backends(settings).check()


def egress(settings: Settings) -> Egress:
    """What set-up may reach."""
    credentials = {
        origin: _header(word.get_secret_value())
        for origin, word in settings.setup_credentials.items()
    }
    return Egress(
        frozenset(settings.setup_allowed_hosts),
        frozenset(settings.setup_private_hosts),
        credentials,
    )


def _header(word: str) -> str:
    """`user:password` as HTTP's Basic; a scheme with its token as it stands."""
    is_pair = ":" in word.partition(" ")[0]
    return f"Basic {base64.b64encode(word.encode()).decode()}" if is_pair else word


def _setup_limits(settings: Settings) -> Limits:
    return Limits(
        memory_bytes=settings.setup_memory_limit,
        cpus=settings.setup_cpu_limit,
        pids=settings.agent_pids_limit,
        disk_bytes=settings.setup_disk_limit,
    )


def _limits(settings: Settings) -> Limits:
    return Limits(
        memory_bytes=settings.agent_memory_limit,
        cpus=settings.agent_cpu_limit,
        pids=settings.agent_pids_limit,
        disk_bytes=settings.agent_disk_limit,
    )
