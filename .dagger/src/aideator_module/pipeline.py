"""What the module's functions build.

No decorators here, so that it is typed and tested without an engine.

The order of the steps is the cache's: image and tools first, then the repository, last
of all the run's id. What stands before it is shared by all runs, what stands after it
belongs to one: a variation never replays another's result.

Nothing is ever built from the repository: a Dockerfile in it is a file like any other.
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
    "!agents/__init__.py",
    "!agents/builtin/*",
]
"""What the container needs of the package `aideator`, as patterns to ignore: all but
these."""
LARGEST_INT = 2**31 - 1
"""What GraphQL can say in an Int."""
DIRECT_UID = 64_646
DIRECT_LIMITS: dict[str, Any] = {
    "memory_bytes": 2 * 2**30,
    "cpus": 2.0,
    "start_cpus": 2.0,
    "start_seconds": 5.0,
    "pids": 512,
    "disk_bytes": 2 * 2**30,
    "room_bytes": 512 * 2**20,
}
"""What holds in a container that was asked for by hand."""
_GIT = (
    "command -v git >/dev/null 2>&1 || { command -v apt-get >/dev/null && apt-get update -q && "
    "apt-get install -qy --no-install-recommends git ca-certificates && rm -rf /var/lib/apt/lists/*; } || "
    "apk add --no-cache git"
)
_PIP = (
    f"python3 -c \"import sys; sys.path.insert(0, '{PACKAGES}'); import anthropic, httpx2\" 2>/dev/null || "
    "python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --require-hashes "
    f"--cache-dir {PIP_CACHE} --target {PACKAGES} --requirement {REQUIREMENTS}"
)


@dataclass(frozen=True)
class Place:
    """Where something is to run."""

    image: str
    """A container image with Python 3.11 or later; git is added where it is missing."""
    platform: dagger.Directory
    """The Python package `aideator`: the shim, the supervisor, the built-in agent."""
    cache_volume: str = ""
    """A cache volume for downloads. Only the platform's own steps see it: no agent can
    put anything there."""


@dataclass(frozen=True)
class Visible:
    """What a sandbox shows besides its source, as the order names it."""

    changes: Sequence[dagger.File] = ()
    """Applied to the source by the launcher, one after the other."""
    directories: Sequence[dagger.Directory] = ()
    files: Sequence[dagger.File] = ()


@dataclass(frozen=True)
class Task:
    """What is asked for by hand, without an AIdeator server."""

    run_id: str
    content: dict[str, Any]
    """As `direct.py` reads it."""
    seconds: float
    """Wall-clock time."""


def toolbox(dag: dagger.Client, place: Place) -> dagger.Container:
    """The image with git, the agent's packages and the platform: the same for every run, and cached.

    An image that has git and the packages already is left as it is, so that an engine
    without a network can use it.
    """
    requirements = place.platform.file("agents/builtin/requirements.txt")
    container = (
        dag.container()
        .from_(place.image)
        .with_user("0:0")
        .with_exec(["sh", "-c", _GIT])
    )
    container = container.with_file(REQUIREMENTS, requirements)
    if place.cache_volume:
        container = container.with_mounted_cache(
            PIP_CACHE, dag.cache_volume(place.cache_volume)
        )
    container = container.with_exec(["sh", "-c", _PIP])
    if place.cache_volume:
        # Gone before anything of a run comes: what all share, nobody may write to.
        container = container.without_mount(PIP_CACHE)
    return container.with_directory(f"{PLATFORM}/aideator", place.platform)


def sandbox(
    dag: dagger.Client,
    place: Place,
    source: dagger.Directory,
    host: dagger.Socket,
    order: dict[str, Any],
    run_id: str,
    visible: Visible,
) -> dagger.Container:
    """A container whose shim dials home; it runs for as long as its host wants it to.

    Its standard output is the supervisor's final record.
    """
    owner = f"{order['uid']}:{order['uid']}"
    container = toolbox(dag, place)
    container = container.with_directory(
        order["workspace"], source, owner=owner if order["writable"] else "0:0"
    )
    for target, directory in zip(
        order["directories"], visible.directories, strict=True
    ):
        container = container.with_mounted_directory(target, directory, read_only=True)
    # Not the order's: files that a process may not change are root's, and stay root's.
    for target, file in zip(order["files"], visible.files, strict=True):
        container = container.with_mounted_file(target, file)
    for target, change in zip(order["changes"], visible.changes, strict=True):
        container = container.with_mounted_file(target, change)
    container = container.with_unix_socket(order["home"], host, owner=owner)
    return _launch(container, order, run_id, ["launcher"])


def _launch(
    container: dagger.Container,
    order: dict[str, Any],
    run_id: str,
    command: Sequence[str],
) -> dagger.Container:
    """Run one of the programs for the inside, with the order as its first argument."""
    for room in order["rooms"]:
        container = container.with_mounted_temp(
            room, size=min(order["room_bytes"], LARGEST_INT)
        )
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
        f"{RUN}/order.json",
        *arguments,
    ]
    container = container.with_new_file(
        f"{RUN}/order.json", json.dumps(order), permissions=0o600
    )
    # The run's id last: everything before it is shared, and nothing after it is ever
    # taken from the cache.
    return container.with_env_variable(RUN_ID, run_id).with_exec(argv)


def _direct_order(workdir: str, seconds: float) -> dict[str, Any]:
    return DIRECT_LIMITS | {
        "run": RUN,
        "workspace": workdir,
        "uid": DIRECT_UID,
        "writable": True,
        "changes": [],
        "wall_seconds": seconds,
        "rooms": {"/tmp": 0o1777, "/home/agent": 0o700},
        "packages": PACKAGES,
        "platform": PLATFORM,
    }


def agent(
    dag: dagger.Client,
    place: Place,
    source: dagger.Directory,
    task: Task,
    key: dagger.Secret,
    *,
    events: dagger.Socket | None = None,
    workdir: str = "/workspace",
) -> dagger.Container:
    """A container in which the built-in agent works on the source, without an AIdeator server.

    Its standard output is one JSON line: how it ended, statistics, the patch. The key
    is a secret by reference: in no layer, blanked out of what is printed, and held by a
    process that the agent cannot look into. With `events`, every message of the agent
    goes there as it comes; without, to standard error.
    """
    container = toolbox(dag, place).with_directory(
        workdir, source, owner=f"{DIRECT_UID}:{DIRECT_UID}"
    )
    container = container.with_new_file(
        f"{RUN}/task.json", json.dumps(task.content), permissions=0o600
    )
    container = container.with_secret_variable(KEY, key)
    arguments = ["direct", f"{RUN}/task.json"]
    if events is not None:
        container = container.with_unix_socket(f"{RUN}/events", events)
        arguments.append(f"{RUN}/events")
    return _launch(
        container, _direct_order(workdir, task.seconds), task.run_id, arguments
    )


def check(
    dag: dagger.Client,
    place: Place,
    source: dagger.Directory,
    patch: dagger.File | None,
    task: Task,
    *,
    workdir: str = "/workspace",
) -> dagger.Container:
    """A container in which a command runs on the source with a patch.

    Its standard output is one JSON line.
    """
    container = toolbox(dag, place).with_directory(
        workdir, source, owner=f"{DIRECT_UID}:{DIRECT_UID}"
    )
    container = container.with_new_file(
        f"{RUN}/task.json", json.dumps(task.content), permissions=0o600
    )
    if patch is not None:
        container = container.with_mounted_file(f"{RUN}/patch", patch)
    return _launch(
        container,
        _direct_order(workdir, task.seconds),
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
    """What a direct call of the agent asks for.

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
    """What a direct call of a check asks for."""
    content = {
        "kind": "check",
        "command": command,
        "patch": f"{RUN}/patch" if patched else None,
        "seconds": seconds,
    }
    return Task(_fresh(run_id), content, seconds)


def _fresh(run_id: str) -> str:
    # Whoever does not name a run wants a new one. The function itself runs once for
    # each session.
    return run_id or str(uuid4())
