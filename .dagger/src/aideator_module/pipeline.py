"""Build the containers of the module's functions.

Without decorators, so that it can be type-checked and tested without an engine.

The steps are ordered for the cache: image and tools first, then the repository, the
run's id last. All runs share the steps before the id, and no run shares those after it:
a variation never replays another's result.

Nothing is built from the repository: a Dockerfile in it is a file like any other.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import dagger

IMAGE = "python:3.11-slim"
PLATFORM, PACKAGES = "/opt/aideator/platform", "/opt/aideator/packages"
REQUIREMENTS = "/opt/aideator/requirements.txt"
RUN = "/run/aideator"
RUN_ID, KEY, BASE_URL = "AIDEATOR_RUN_ID", "ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL"
PIP_CACHE = "/var/cache/aideator"
PLATFORM_FILES = [
    "**",
    "!__init__.py",
    "!sandbox/**/*.py",
    "!sandbox/etc/*",
    "!agents/__init__.py",
    "!agents/builtin/*",
]
"""Patterns of files of the package `aideator` to ignore: all but those that the
container needs."""
LARGEST_INT = 2**31 - 1
"""Largest Int of GraphQL."""
DIRECT_UID = 64_646
DIRECT_LIMITS: dict[str, Any] = {
    "memory_bytes": 2 * 2**30,
    "cpus": 2.0,
    "start_cpus": 2.0,
    "start_seconds": 5.0,
    "pids": 512,
    "disk_bytes": 2 * 2**30,
    "tmpfs_bytes": 512 * 2**20,
}
"""Limits of a container that a person opens, without an AIdeator server."""
_GIT = (
    "command -v git >/dev/null 2>&1 || { command -v apt-get >/dev/null && "
    "apt-get update -q && apt-get install -qy --no-install-recommends "
    "git ca-certificates && rm -rf /var/lib/apt/lists/*; } || "
    "apk add --no-cache git"
)
_PIP = (
    f"python3 -c \"import sys; sys.path.insert(0, '{PACKAGES}'); "
    'import httpx2" 2>/dev/null || '
    "python3 -m pip install --quiet --disable-pip-version-check "
    "--root-user-action=ignore --require-hashes "
    f"--cache-dir {PIP_CACHE} --target {PACKAGES} --requirement {REQUIREMENTS}"
)


@dataclass(frozen=True)
class Toolbox:
    """The image that every container here begins with."""

    image: str
    """A container image with Python 3.11 or later; git is added where it is missing."""
    platform: dagger.Directory
    """The Python package `aideator`: the shim, the supervisor, the built-in agent."""
    cache_volume: str = ""
    """Name of a cache volume for downloads. Only the steps of `toolbox` see it, so that
    no agent can write to it."""


@dataclass(frozen=True)
class Mounts:
    """Mounts of a sandbox besides its source. The launcher's config has the targets."""

    changes: Sequence[dagger.File] = ()
    """Changes that the launcher applies to the source, in order."""
    directories: Sequence[dagger.Directory] = ()
    files: Sequence[dagger.File] = ()


@dataclass(frozen=True)
class Task:
    """A task that a person gives, without an AIdeator server."""

    run_id: str
    content: dict[str, Any]
    """The JSON object that `direct.py` reads."""
    seconds: float
    """Time limit in seconds (wall clock)."""


def toolbox(dag: dagger.Client, base: Toolbox) -> dagger.Container:
    """Build the image with git, the agent's packages and the platform.

    It is the same for every run, and cached.

    An image that has git and the packages already is left as it is, so that an engine
    without a network can use it.
    """
    requirements = base.platform.file("agents/builtin/requirements.txt")
    container = (
        dag.container().from_(base.image).with_user("0:0").with_exec(["sh", "-c", _GIT])
    )
    container = container.with_file(REQUIREMENTS, requirements)
    if base.cache_volume:
        container = container.with_mounted_cache(
            PIP_CACHE, dag.cache_volume(base.cache_volume)
        )
    container = container.with_exec(["sh", "-c", _PIP])
    if base.cache_volume:
        # Unmounted before anything of a run comes: no run may write to what all share.
        container = container.without_mount(PIP_CACHE)
    return container.with_directory(f"{PLATFORM}/aideator", base.platform)


def sandbox(
    dag: dagger.Client,
    base: Toolbox,
    source: dagger.Directory,
    host: dagger.Socket,
    config: dict[str, Any],
    run_id: str,
    mounts: Mounts,
) -> dagger.Container:
    """Build a container whose shim connects to the host, and runs until that ends it.

    Its standard output is the supervisor's final record.
    """
    owner = f"{config['uid']}:{config['uid']}"
    container = toolbox(dag, base)
    container = container.with_directory(
        config["workspace"], source, owner=owner if config["writable"] else "0:0"
    )
    for target, directory in zip(
        config["directories"], mounts.directories, strict=True
    ):
        container = container.with_mounted_directory(target, directory, read_only=True)
    # Without an owner: files that a process may not change belong to root.
    for target, file in zip(config["files"], mounts.files, strict=True):
        container = container.with_mounted_file(target, file)
    for target, change in zip(config["changes"], mounts.changes, strict=True):
        container = container.with_mounted_file(target, change)
    container = container.with_unix_socket(config["home"], host, owner=owner)
    return _launch(container, config, run_id, ["launcher"])


def _launch(
    container: dagger.Container,
    config: dict[str, Any],
    run_id: str,
    command: Sequence[str],
) -> dagger.Container:
    """Run a program of `sandbox/dagger/inside`, with the config as first argument."""
    size = min(config["tmpfs_bytes"], LARGEST_INT)
    for path in config["tmpfs"]:
        container = container.with_mounted_temp(path, size=size)
    program, *arguments = command
    code = (
        f"import sys; sys.path.insert(0, '{PLATFORM}'); "
        f"from aideator.sandbox.dagger.inside.{program} import main; main()"
    )
    argv = [
        "python3",
        "-I",
        "-S",
        "-X",
        "utf8",
        "-c",
        code,
        f"{RUN}/launcher.json",
        *arguments,
    ]
    container = container.with_new_file(
        f"{RUN}/launcher.json", json.dumps(config), permissions=0o600
    )
    # The run's id last: steps before it are shared, those after it are never taken from
    # the cache.
    return container.with_env_variable(RUN_ID, run_id).with_exec(argv)


def _direct_config(workdir: str, seconds: float) -> dict[str, Any]:
    return DIRECT_LIMITS | {
        "run": RUN,
        "workspace": workdir,
        "uid": DIRECT_UID,
        "writable": True,
        "changes": [],
        "wall_seconds": seconds,
        "tmpfs": {"/tmp": 0o1777, "/home/agent": 0o700},
        "packages": PACKAGES,
        "platform": PLATFORM,
    }


def _with_task(
    dag: dagger.Client,
    base: Toolbox,
    source: dagger.Directory,
    task: Task,
    workdir: str,
) -> dagger.Container:
    """Build a container with the source and the task, but without a program to run."""
    container = toolbox(dag, base).with_directory(
        workdir, source, owner=f"{DIRECT_UID}:{DIRECT_UID}"
    )
    return container.with_new_file(
        f"{RUN}/task.json", json.dumps(task.content), permissions=0o600
    )


def agent(
    dag: dagger.Client,
    base: Toolbox,
    source: dagger.Directory,
    task: Task,
    key: dagger.Secret,
    *,
    events: dagger.Socket | None = None,
    workdir: str = "/workspace",
) -> dagger.Container:
    """Build a container in which the built-in agent works on the source.

    Its standard output is one JSON line: how it ended, statistics, the patch. The key
    is a secret by reference: it is in no layer, the engine blanks it out of output, and
    the process that holds it cannot be read by the agent. Each message of the agent is
    sent to `events` at once, or to standard error without one.
    """
    container = _with_task(dag, base, source, task, workdir)
    container = container.with_secret_variable(KEY, key)
    arguments = ["direct", f"{RUN}/task.json"]
    if events is not None:
        container = container.with_unix_socket(f"{RUN}/events", events)
        arguments.append(f"{RUN}/events")
    return _launch(
        container, _direct_config(workdir, task.seconds), task.run_id, arguments
    )


def check(
    dag: dagger.Client,
    base: Toolbox,
    source: dagger.Directory,
    patch: dagger.File | None,
    task: Task,
    *,
    workdir: str = "/workspace",
) -> dagger.Container:
    """Build a container in which a command runs on the source with a patch.

    Its standard output is one JSON line.
    """
    container = _with_task(dag, base, source, task, workdir)
    if patch is not None:
        container = container.with_mounted_file(f"{RUN}/patch", patch)
    return _launch(
        container,
        _direct_config(workdir, task.seconds),
        task.run_id,
        ["direct", f"{RUN}/task.json"],
    )


def agent_task(
    prompt: str,
    agent_config: str,
    run_id: str,
    variation_id: str,
    base_url: str,
    seconds: float,
) -> Task:
    """Return the task of a direct call of the agent.

    Raises:
        ValueError: if there is no prompt, or the configuration is no JSON object.
    """
    if not prompt.strip():
        raise ValueError("give a prompt, or a prompt file")
    spec = json.loads(agent_config or "{}")
    if not isinstance(spec, dict):
        raise ValueError("agent-config has to be a JSON object")
    content = {
        "kind": "agent",
        "prompt": prompt,
        "spec": spec,
        "variation_id": variation_id,
        "base_url": base_url,
    }
    return Task(_fresh(run_id), content, seconds)


def check_task(command: str, run_id: str, seconds: float, *, patched: bool) -> Task:
    """Return the task of a direct call of a check."""
    content = {
        "kind": "check",
        "command": command,
        "patch": f"{RUN}/patch" if patched else None,
        "seconds": seconds,
    }
    return Task(_fresh(run_id), content, seconds)


def _fresh(run_id: str) -> str:
    # A call that names no run gets a new one: the function runs once in each session.
    return run_id or str(uuid4())
