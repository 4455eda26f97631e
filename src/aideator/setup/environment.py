"""Environments: what set-up adds to a commit, kept as a read-only layer above it.

Design notes:

- The layer is what overlayfs recorded of the writes. Changes of set-up to the project's
  own files and to `.git` are taken out of it: an attempt starts at the commit, and no
  patch ever contains what set-up did.
- Set-up runs the repository's own code, with network access, before any agent. The
  layer is therefore as untrusted as what an agent leaves: it is read by descriptor, or
  inside a sandbox.
"""

import asyncio
import hashlib
import json
import os
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from aideator.changes.fork import make_writable_directory
from aideator.changes.patch import list_untracked
from aideator.domain.check import CheckResult, Command
from aideator.domain.errors import SetupFailed, VariationError
from aideator.domain.hosts import AllowedHost
from aideator.repositories.checkout import Checkout
from aideator.repositories.entries import (
    DIRECTORY_MODE,
    PART_SUFFIX,
    hold_lock,
    locked_directory,
    read_facts,
    write_facts,
)
from aideator.repositories.git import git
from aideator.repositories.untrusted_tree import remove_tree
from aideator.sandbox.base import (
    TOOLS,
    Limits,
    Sandbox,
    SandboxBackend,
    Tree,
    sandbox_uid,
)
from aideator.sandbox.disk import disk_usage
from aideator.setup import tool_paths
from aideator.setup.commands import (
    Asker,
    OnLine,
    SetupResult,
    allow,
    ask_about_named,
    failure,
    run_command,
    run_with_answers,
    with_hosts,
)
from aideator.setup.egress import Proxy, open_proxy
from aideator.setup.layer import exclude_from_git, restore_project_files
from aideator.setup.network import Network, NetworkPolicy
from aideator.setup.registries.find import needed_ecosystems

_MAX_ADDED_PATHS = 5_000
"""Limit for the files and folders that set-up adds; a folder without files of the
project counts once."""
_LIST_TOOLS = (
    'for tool; do path=$(command -v "$tool") && stat -L -c "%n %s %Y" "$path"; done'
)
_PREPARE = (
    f"mkdir -p {tool_paths.SCRATCH}"
    f" && echo '*' > /workspace/{tool_paths.FOLDER}/.gitignore"
)
_CLEAN_UP = f"chmod -R u+rwX {tool_paths.SCRATCH}; rm -rf {tool_paths.SCRATCH}"
_OWN_COMMAND_SECONDS = 120


async def _ignore_line(command: str, line: str) -> None:
    """Report nothing."""


OnResult = Callable[[SetupResult], Awaitable[None]]


@dataclass(frozen=True)
class SetupContext:
    """Services and settings for building environments."""

    backend: SandboxBackend
    home: Path
    """The state directory."""
    runtime: Path
    """Directory for the proxy's socket; its path must be short."""
    limits: Limits
    """Limits of the sandbox that set-up runs in."""
    policy: NetworkPolicy = field(default_factory=NetworkPolicy)
    """Which hosts set-up may reach."""
    allowed: Sequence[AllowedHost] = ()
    """Hosts that a person has allowed to this run."""
    named: Sequence[str] = ()
    """Hosts that the repository names (`.aideator.toml`): a person is asked."""
    asker: Asker | None = None
    """Asks a person; None if there is nobody."""
    on_line: OnLine = _ignore_line
    """Called with what a command prints while it runs."""
    variables: Mapping[str, str] = field(default_factory=dict)
    """Environment variables for set-up, agents and checks (`SETUP_ENV`), in addition to
    those of `tool_paths.py`."""
    places: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(2))
    """Limits how many environments are built at the same time."""


async def build_environment(
    context: SetupContext,
    checkout: Checkout,
    setup: Sequence[Command],
    on_result: OnResult,
) -> Checkout:
    """Return the checkout with its environment, which is built on first use.

    Args:
        context: Services and settings.
        checkout: The commit's files.
        setup: The commands to run in order; without any, the checkout is returned as it
            is.
        on_result: Called after each command; for an environment that exists already,
            once with the result of its last command.

    Raises:
        SetupFailed: if a command fails. The environment is not kept then, so the next
            run tries again.
        SandboxUnavailable: if no sandbox can be opened.
    """
    if not setup:
        return checkout
    commands = [command.command for command in setup]
    needed = await asyncio.to_thread(needed_ecosystems, checkout.project, commands)
    network = await context.policy.network(needed)
    own = context.variables
    context = replace(context, variables={**network.variables, **context.variables})
    digest = await _digest(context, checkout, setup)
    folder = context.home / "environments" / f"{checkout.commit.key}-{digest}"
    folder.parent.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
    layer = folder / digest
    built_now = False
    if not folder.exists():
        async with hold_lock(context.home / "locks" / folder.name), context.places:
            if not folder.exists():
                await _build(context, network, checkout, setup, layer, on_result)
                built_now = True
    os.utime(folder)  # the cache removes the least recently used
    facts = read_facts(folder)
    if not built_now:
        result = CheckResult.model_validate(facts["result"])
        hosts = tuple(facts.get("hosts", ()))
        await on_result(SetupResult(result, cached=True, hosts=hosts))
    return replace(
        checkout,
        environment=layer,
        made=tuple(facts["made"]),
        unignored=tuple(facts["unignored"]),
        variables={
            **network.variables,
            **tool_paths.variables(facts["made"], checkout.folder),
            **own,
        },
        bin_directories=tool_paths.bin_directories(facts["made"], checkout.folder),
    )


async def _digest(
    context: SetupContext, checkout: Checkout, setup: Sequence[Command]
) -> str:
    """Hash what determines an environment besides the commit.

    That is commands, variables, the back end and the tools of its sandboxes.
    """
    async with context.backend.open(Tree((checkout.path,)), context.limits) as sandbox:
        tools = await sandbox.exec(
            ["sh", "-c", _LIST_TOOLS, "sh", *TOOLS], timeout=_OWN_COMMAND_SECONDS
        )
    facts = [
        [command.command for command in setup],
        dict(context.variables),
        context.backend.name,
        tools.stdout.decode(errors="replace"),
        *([checkout.folder] if checkout.folder else ()),
    ]
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]


async def _build(
    context: SetupContext,
    network: Network,
    checkout: Checkout,
    setup: Sequence[Command],
    final: Path,
    on_result: OnResult,
) -> None:
    """Build the layer `final`; its folder appears complete or not at all."""
    folder = final.parent
    part = folder.with_name(folder.name + PART_SUFFIX)
    layer, work = part / final.name, part / "work"
    try:
        if part.exists():
            await asyncio.to_thread(remove_tree, part)
        part.mkdir(mode=DIRECTORY_MODE)
        make_writable_directory(layer)
        make_writable_directory(work)
        # Prevents the cache from removing the checkout in the meantime.
        with locked_directory(checkout.path.parent, exclusive=False):
            where = checkout.folder
            path = tool_paths.bin_directories({tool_paths.venv(where)}, where)
            tree = Tree((checkout.path,), layer, work, path=path)
            cwd = checkout.working_directory
            done = await _run_setup(context, network, tree, cwd, setup, on_result)
            made, unignored = await _finish_layer(context, checkout, layer)
        await asyncio.to_thread(remove_tree, work)
        facts = {
            "bytes": await asyncio.to_thread(disk_usage, part),
            "made": made,
            "unignored": unignored,
            "result": done.result.model_dump(mode="json"),
            "hosts": done.hosts,
        }
        write_facts(part, facts)
        part.rename(folder)
    finally:
        if part.exists():
            await asyncio.to_thread(remove_tree, part)


async def _run_setup(
    context: SetupContext,
    network: Network,
    tree: Tree,
    cwd: str,
    setup: Sequence[Command],
    on_result: OnResult,
) -> SetupResult:
    """Run the commands in a sandbox; return the result of the last one.

    Raises:
        SetupFailed: if a command fails, or its sandbox ends.
    """
    async with _open_proxy(context, network) as proxy:
        socket = proxy.socket if proxy else None
        try:
            async with context.backend.open(
                tree, context.limits, gateway=socket
            ) as sandbox:
                proxy_url = sandbox.gateway_url if proxy else None
                env = {
                    **network.setup_variables,
                    **tool_paths.setup_variables(proxy_url),
                    **context.variables,
                }
                await sandbox.exec(["sh", "-c", _PREPARE])
                await _write_files(sandbox, network.files)
                for command in setup:
                    run = partial(
                        run_command, sandbox, command, env, cwd, context.on_line
                    )
                    result = await run_with_answers(context.asker, command, proxy, run)
                    done = with_hosts(result, proxy)
                    await on_result(done)
                    if not result.passed:
                        raise failure(result, proxy)
                await sandbox.exec(
                    ["sh", "-c", _CLEAN_UP], timeout=_OWN_COMMAND_SECONDS
                )
                return done
        except VariationError as error:
            raise SetupFailed(f"set-up failed: {error}") from error


async def _write_files(sandbox: Sandbox, files: Mapping[str, str]) -> None:
    """Write the configuration of package managers, as `Network.files` has it."""
    for name, text in files.items():
        path = name if name[0] == "~" else f"/workspace/{tool_paths.FOLDER}/{name}"
        script = f'path={path}; mkdir -p "${{path%/*}}" && printf %s "$TEXT" > "$path"'
        await sandbox.exec(["sh", "-c", script], env={"TEXT": text})


@asynccontextmanager
async def _open_proxy(
    context: SetupContext, network: Network
) -> AsyncIterator[Proxy | None]:
    """Open the proxy, if set-up may reach any host."""
    if not context.policy.is_open:
        yield None
        return
    socket = context.runtime / f"{secrets.token_hex(4)}.sock"
    async with open_proxy(socket, network.egress) as proxy:
        allow(proxy, context.allowed)
        if context.asker is not None:
            await ask_about_named(context.named, context.asker, proxy)
        yield proxy


async def _finish_layer(
    context: SetupContext, checkout: Checkout, layer: Path
) -> tuple[Sequence[str], Sequence[str]]:
    """Undo changes to the project's own files, and exclude the rest from git.

    Returns:
        The paths that set-up added, and those of them that the project does not ignore.
    """
    tracked = await git("ls-files", "-z", cwd=checkout.path)
    await asyncio.to_thread(restore_project_files, layer, tracked.split(b"\0")[:-1])
    try:
        made, unignored = await list_untracked(
            checkout.path, layer, context.backend, context.limits
        )
    except VariationError as error:
        raise SetupFailed(
            "what set-up added cannot be told apart from the project's own files:"
            f" {error}"
        ) from error
    if len(made) > _MAX_ADDED_PATHS:
        raise SetupFailed(
            f"set-up added {len(made)} files in folders of the project;"
            f" the limit is {_MAX_ADDED_PATHS}",
            hint="have set-up install into a folder of its own, such as .venv",
        )
    await asyncio.to_thread(exclude_from_git, layer, made, sandbox_uid())
    return made, [
        path for path in unignored if path.rpartition("/")[2] != tool_paths.FOLDER
    ]
