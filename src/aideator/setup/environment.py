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
import re
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from aideator.changes.fork import make_writable_directory
from aideator.changes.patch import list_untracked
from aideator.domain.check import NOT_FOUND, NOT_FOUND_NOTE, CheckResult, Command
from aideator.domain.errors import SetupFailed, VariationError
from aideator.domain.project import Project
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
    missing_programs,
    sandbox_uid,
)
from aideator.sandbox.disk import disk_usage
from aideator.setup import tool_paths
from aideator.setup.egress import Egress, Proxy, open_proxy
from aideator.setup.layer import exclude_from_git, restore_project_files

OUTPUT_TAIL = 16_384
"""Bytes kept of a command's output: its end, which tells the most."""
_INSTALL_HINT = "install it in /usr, or name its directory in SANDBOX_TOOLCHAINS"
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

OnResult = Callable[[CheckResult, bool], Awaitable[None]]
"""Called with a command's result, and whether the command ran in an earlier run."""


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
    egress: Egress = field(default_factory=Egress)
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
    digest = await _digest(context, checkout, setup)
    folder = context.home / "environments" / f"{checkout.commit.key}-{digest}"
    folder.parent.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
    layer = folder / digest
    built_now = False
    if not folder.exists():
        async with hold_lock(context.home / "locks" / folder.name), context.places:
            if not folder.exists():
                await _build(context, checkout, setup, layer, on_result)
                built_now = True
    os.utime(folder)  # the cache removes the least recently used
    facts = read_facts(folder)
    if not built_now:
        result = CheckResult.model_validate(facts["result"])
        await on_result(result, True)  # noqa: FBT003
    return replace(
        checkout,
        environment=layer,
        made=tuple(facts["made"]),
        unignored=tuple(facts["unignored"]),
        variables={
            **tool_paths.variables(facts["made"], checkout.folder),
            **context.variables,
        },
        bin_directories=tool_paths.bin_directories(facts["made"], checkout.folder),
    )


async def missing_tools(
    backend: SandboxBackend, checkout: Checkout, project: Project
) -> tuple[str, ...]:
    """Return a note for each program of set-up and checks that sandboxes lack.

    Only known tools (`sandbox.base.TOOLS`) that a command begins with are looked for.
    Nothing of the project runs.

    Raises:
        SandboxUnavailable: if no sandbox can be opened.
    """
    programs: set[str] = set()
    for entry in (*project.setup, *project.checks):
        programs.update(re.findall(r"(?:^|[;&|])\s*([\w.-]+)", entry.command))
    if not (wanted := sorted(programs.intersection(TOOLS))):
        return ()
    async with backend.open(Tree((checkout.path,)), Limits()) as sandbox:
        missing = await missing_programs(sandbox, wanted)
    return tuple(f"sandboxes do not see {tool}: {_INSTALL_HINT}" for tool in missing)


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
            result = await _run_setup(context, tree, cwd, setup, on_result)
            made, unignored = await _finish_layer(context, checkout, layer)
        await asyncio.to_thread(remove_tree, work)
        facts = {
            "bytes": await asyncio.to_thread(disk_usage, part),
            "made": made,
            "unignored": unignored,
            "result": result.model_dump(mode="json"),
        }
        write_facts(part, facts)
        part.rename(folder)
    finally:
        if part.exists():
            await asyncio.to_thread(remove_tree, part)


async def _run_setup(
    context: SetupContext,
    tree: Tree,
    cwd: str,
    setup: Sequence[Command],
    on_result: OnResult,
) -> CheckResult:
    """Run the commands in a sandbox; return the result of the last one.

    Raises:
        SetupFailed: if a command fails, or its sandbox ends.
    """
    async with _open_proxy(context) as proxy:
        socket = proxy.socket if proxy else None
        try:
            async with context.backend.open(
                tree, context.limits, gateway=socket
            ) as sandbox:
                proxy_url = sandbox.gateway_url if proxy else None
                env = {**tool_paths.setup_variables(proxy_url), **context.variables}
                await sandbox.exec(["sh", "-c", _PREPARE])
                for command in setup:
                    result = await _run(sandbox, command, env, cwd)
                    await on_result(result, False)  # noqa: FBT003
                    if not result.passed:
                        raise _failed(result, proxy)
                await sandbox.exec(
                    ["sh", "-c", _CLEAN_UP], timeout=_OWN_COMMAND_SECONDS
                )
                return result
        except VariationError as error:
            raise SetupFailed(f"set-up failed: {error}") from error


@asynccontextmanager
async def _open_proxy(context: SetupContext) -> AsyncIterator[Proxy | None]:
    """Open the proxy, if set-up may reach any host."""
    if not context.egress:
        yield None
        return
    socket = context.runtime / f"{secrets.token_hex(4)}.sock"
    async with open_proxy(socket, context.egress) as proxy:
        yield proxy


async def _run(
    sandbox: Sandbox, command: Command, env: Mapping[str, str], cwd: str
) -> CheckResult:
    """Run one command. An error of the sandbox becomes the result's note."""
    start = time.monotonic()
    code, output, note = None, "", ""
    try:
        done = await sandbox.exec(
            ["sh", "-c", f"exec 2>&1; {command.command}"],
            env=env,
            cwd=cwd,
            timeout=command.timeout,
        )
    except VariationError as error:
        note = str(error)
    else:
        code = done.exit_code
        output = done.stdout[-OUTPUT_TAIL:].decode(errors="replace")
        if code is None:
            note = f"stopped after {command.timeout:g} s"
    return CheckResult(
        check=command.command,
        exit_code=code,
        seconds=round(time.monotonic() - start, 3),
        output=output,
        note=note,
    )


def _failed(result: CheckResult, proxy: Proxy | None) -> SetupFailed:
    reason = result.note or f"exit code {result.exit_code}"
    if result.exit_code == NOT_FOUND:
        reason += f", {NOT_FOUND_NOTE}"
    if proxy and proxy.refused:
        reason += f". {'; '.join(proxy.refused.values())}"
    return SetupFailed(f"set-up failed: `{result.check}`: {reason}")


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
