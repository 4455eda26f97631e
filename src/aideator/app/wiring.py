"""Open what carries runs out, as the settings say.

Repository cache, gateway, sandbox back ends, engine. Importing this takes about a
second, so those who only read runs do not.
"""

import asyncio
import base64
import hashlib
import os
import platform
import resource
import shutil
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, suppress
from functools import partial
from pathlib import Path

from aideator.agents.factory import make_agent
from aideator.agents.runtime import compile_packages
from aideator.app.demo import Demo
from aideator.app.model_trial import model_finding, try_settings
from aideator.app.sources import open_cache
from aideator.domain.errors import SandboxUnavailable, Unavailable
from aideator.domain.project import Project
from aideator.engine.base import Engine
from aideator.engine.context import RunContext
from aideator.engine.local.engine import open_local_engine
from aideator.eventlog.sql import SqlEventLog
from aideator.gateway.app import CallLimits, Gateway, open_gateway
from aideator.repositories.cache import RepositoryCache
from aideator.repositories.uncommitted import (
    HEAD,
    find_ignored_to_include,
    find_uncommitted,
)
from aideator.sandbox.base import Finding, Limits, SandboxBackend, sandbox_uid
from aideator.sandbox.leftovers import remove_leftovers
from aideator.sandbox.registry import BUBBLEWRAP, Backends
from aideator.settings import Settings
from aideator.setup.environment import SetupContext
from aideator.setup.network import AUTO, NONE, NetworkPolicy
from aideator.setup.preview import preview_project, setup_findings
from aideator.setup.toolchains import find_toolchains
from aideator.store.home import make_home, runtime_dir
from aideator.store.session import Database


async def start_engine(
    stack: AsyncExitStack,
    settings: Settings,
    database: Database,
    log: SqlEventLog,
    demo: Demo,
    *,
    resume: bool,
) -> tuple[Engine, RunContext]:
    """Start the engine, which sees to what an earlier process left unfinished.

    Args:
        stack: Closes all of it.
        settings: Limits, programs, credentials.
        database: Where runs are stored.
        log: Where their events are.
        demo: Knows where the demo's model calls go.
        resume: Whether unfinished runs are taken up; else they become `interrupted`.

    Returns:
        The engine, and the services that its runs use.
    """
    _raise_open_file_limit()
    home, runtime = settings.aideator_home, runtime_dir(settings.aideator_home)
    cache = open_cache(settings)
    await asyncio.to_thread(_prepare_home, cache, runtime)
    gateway = await stack.enter_async_context(_gateway(settings, runtime))
    toolchains = await asyncio.to_thread(_toolchains, settings)
    backends = _backends(settings, toolchains)
    context = RunContext(
        database=database,
        log=log,
        cache=cache,
        workshop=partial(
            SetupContext,
            home=home,
            runtime=runtime,
            limits=_setup_limits(settings),
            policy=network_policy(settings),
            variables=settings.setup_env,
            places=asyncio.Semaphore(2),
        ),
        network=network_policy(settings),
        gateway=gateway,
        choose_backend=backends.choose,
        make_agent=partial(make_agent, wall_clock=settings.agent_timeout),
        limits=_limits(settings),
        home=home,
        environment=_environment(settings, toolchains),
        max_attempts=settings.max_attempts,
        upstream=demo.upstream,
        try_model=partial(try_settings, settings),
    )
    engine = await stack.enter_async_context(
        open_local_engine(
            context, slots=settings.max_parallel_variations, resume=resume
        )
    )
    return engine, context


def _gateway(settings: Settings, runtime: Path) -> AbstractAsyncContextManager[Gateway]:
    return open_gateway(
        socket=runtime / "gateway.sock",
        base_url=settings.anthropic_base_url,
        api_key=settings.anthropic_api_key,
        limits=CallLimits(policy=settings.isolation_policy),
    )


def _environment(settings: Settings, toolchains: Iterable[Path]) -> str:
    """Return a hash of what a check can see beside the tree: programs and limits.

    Installing a program changes a folder's time of modification. The hash is taken when
    the server starts: measurements that it remembers stay valid until it starts again;
    only a check that could not start is tried again at once.
    """
    parts = [
        platform.platform(),
        settings.aideator_sandbox,
        settings.agent_container_image,
        repr(_limits(settings)),
    ]
    for root in (Path("/usr"), *toolchains):
        for folder in _folders(root, depth=3):
            parts.append(f"{folder} {folder.stat().st_mtime_ns}")
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _folders(root: Path, depth: int) -> Iterator[Path]:
    """Yield a folder and those inside it, sorted, links excluded."""
    if not root.is_dir():
        return
    yield root
    if depth == 0:
        return
    for folder in sorted(root.glob("*/")):
        if not folder.is_symlink():
            yield from _folders(folder, depth - 1)


def _raise_open_file_limit() -> None:
    # A sandbox may hold more than a hundred connections, and a server many sandboxes;
    # the soft limit is often 1024.
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


async def inspect(
    settings: Settings, repo_url: str, ref: str | None, path: str, *, own: bool
) -> Project:
    """Return how a run would set this repository up and check it.

    Args:
        settings: Where the cache is, and what may be fetched.
        repo_url: The repository.
        ref: A branch, tag or commit.
        path: A folder of it.
        own: Whether to say what the working tree of a local one has besides.
    """
    cache = open_cache(settings)
    checkout = await cache.checkout(await cache.resolve(repo_url, ref))
    checkout = checkout.in_folder(path)
    backend: SandboxBackend | None = None
    with suppress(SandboxUnavailable):  # `aideator doctor` reports why
        toolchains = await asyncio.to_thread(_toolchains, settings)
        backend = await _backends(settings, toolchains).choose()
    # A container has the programs of its image, and takes too long to open here.
    if backend is not None and backend.name != BUBBLEWRAP:
        backend = None
    project = await preview_project(checkout, network_policy(settings), backend)
    # Another ref than HEAD has no working tree.
    if own and repo_url.startswith("/") and ref in HEAD:
        return project.model_copy(update=await _working_tree(Path(repo_url)))
    return project


async def _working_tree(root: Path) -> dict[str, object]:
    """Return what a working tree has besides its commit, as fields of a project."""
    return {
        "uncommitted": await find_uncommitted(root),
        "ignored": await find_ignored_to_include(root),
    }


def _prepare_home(cache: RepositoryCache, runtime: Path) -> None:
    """Remove what dead servers have left, and compile what sandboxes import."""
    cache.recover()
    remove_leftovers(runtime)
    # Otherwise every sandbox would compile the agent's imports again.
    compile_packages()


def _toolchains(settings: Settings) -> tuple[Path, ...]:
    """Return the directories that sandboxes see, the named ones first."""
    names = settings.sandbox_toolchains
    named = (Path(name) for name in names if name not in {AUTO, NONE})
    found = find_toolchains() if AUTO in names else ()
    return tuple(dict.fromkeys((*named, *found)))


def _backends(settings: Settings, toolchains: Sequence[Path]) -> Backends:
    volume = settings.dagger_cache_volume
    return Backends(
        settings.aideator_sandbox,
        runtime_dir=runtime_dir(settings.aideator_home),
        policy=settings.isolation_policy,
        options={
            BUBBLEWRAP: {"toolchains": toolchains},
            "dagger": {
                "program": settings.dagger_cli,
                "image": settings.agent_container_image,
                "runner_host": settings.dagger_runner_host,
                "cache_volume": "" if volume == "none" else volume,
                "workdir": settings.dagger_workdir,
                "engine_timeout": settings.dagger_engine_timeout,
                "log_output": settings.dagger_log_output,
                "server": os.environ,
            },
        },
    )


async def examine(settings: Settings) -> list[Finding]:
    """Return what works on this machine and what does not: `aideator doctor`."""
    findings = [_git(), _sqlite(), await model_finding(settings)]
    findings += await setup_findings(network_policy(settings))
    if settings.redis_url:
        detail = "REDIS_URL is set, but not used in this version"
        findings.append(Finding("redis", ok=False, detail=detail))
    try:
        make_home(settings.aideator_home, group=sandbox_uid())
    except Unavailable as error:
        unusable = Finding(
            "state", ok=False, detail=str(error), fix=error.hint, fatal=True
        )
        return [*findings, unusable]
    findings.append(Finding("state", ok=True, detail=str(settings.aideator_home)))
    toolchains = await asyncio.to_thread(_toolchains, settings)
    return findings + await _backends(settings, toolchains).check()


def _git() -> Finding:
    git = shutil.which("git")
    return Finding(
        "git",
        ok=git is not None,
        detail=git or "not found",
        fix="install git",
        fatal=True,
    )


def _sqlite() -> Finding:
    detail = f"{sqlite3.sqlite_version}, one writing connection"
    return Finding("sqlite", ok=True, detail=detail)


def network_policy(settings: Settings) -> NetworkPolicy:
    """Return which hosts set-up may reach, and with which credentials."""
    credentials = {
        origin: _authorization(secret.get_secret_value())
        for origin, secret in settings.setup_credentials.items()
    }
    hosts = frozenset(settings.setup_allowed_hosts)
    return NetworkPolicy(
        hosts - {AUTO, NONE},
        AUTO in hosts,
        frozenset(settings.setup_private_hosts),
        credentials,
    )


def _authorization(secret: str) -> str:
    """Return `user:password` as HTTP Basic; a scheme with its token unchanged."""
    is_pair = ":" in secret.partition(" ")[0]
    if not is_pair:
        return secret
    return f"Basic {base64.b64encode(secret.encode()).decode()}"


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
