"""What set-up makes of a commit: a read-only layer between its files and what an attempt writes, made once and kept.

Odd on purpose:

- The layer is what overlayfs has caught of the writes. What set-up did to the project's
  own files is taken back out of it, and its `.git` with it: an attempt begins at the
  commit, and no change ever shows what set-up did.
- Set-up runs the repository's own code, with a network, before any agent. So the layer
  is as hostile as what an agent leaves: it is looked at by descriptor, or inside a
  sandbox.
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

from aideator.changes import tool_paths as tools
from aideator.changes.fork import make_ground
from aideator.changes.patch import list_untracked
from aideator.domain.check import NOT_FOUND, NOT_FOUND_NOTE, CheckResult, Command
from aideator.domain.errors import SetupFailed, VariationError
from aideator.domain.project import Project
from aideator.repositories.checkout import Checkout
from aideator.repositories.git import git
from aideator.repositories.trees import (
    PART,
    PERSONAL,
    held,
    locked_directory,
    remove_tree,
)
from aideator.sandbox.base import (
    TOOLS,
    Limits,
    Sandbox,
    SandboxBackend,
    Tree,
    sandbox_uid,
    without,
)
from aideator.sandbox.disk import disk_usage
from aideator.setup.egress import Egress, Proxy, open_proxy
from aideator.setup.layer import hide, restore

OUTPUT_TAIL = 16_384
"""Bytes of a command's output that are kept. The end tells the most."""
_FACTS = "facts.json"
_MEND = "install it in /usr, or name its directory in SANDBOX_TOOLCHAINS"
_MAX_MADE = 5_000
"""Files and folders that set-up may leave beside the project's own; a folder of its own
counts once."""
_PROBE = (
    'for tool; do path=$(command -v "$tool") && stat -L -c "%n %s %Y" "$path"; done'
)
_PREPARE = (
    f"mkdir -p {tools.SCRATCH} && echo '*' > /workspace/{tools.FOLDER}/.gitignore"
)
_TIDY = f"chmod -R u+rwX {tools.SCRATCH}; rm -rf {tools.SCRATCH}"
_TIDY_SECONDS = 120

Tell = Callable[[CheckResult, bool], Awaitable[None]]
"""Hears how a command ended, and whether that was in an earlier run."""


@dataclass(frozen=True)
class Workshop:
    """What environments are made with."""

    backend: SandboxBackend
    home: Path
    """The state directory."""
    runtime: Path
    """For the proxy's socket; a short path."""
    limits: Limits
    """For the sandbox that set-up runs in."""
    egress: Egress = field(default_factory=Egress)
    variables: Mapping[str, str] = field(default_factory=dict)
    """What set-up, agents and checks see besides `tools.py`."""
    places: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(2))
    """How many environments are made at once."""


async def furnish(
    workshop: Workshop, checkout: Checkout, setup: Sequence[Command], tell: Tell
) -> Checkout:
    """Return the checkout with the environment that `setup` makes of it, making that on first use.

    Args:
        workshop: What it is made with.
        checkout: A commit's files, as they are cached.
        setup: The commands, one after another; without any, the checkout stays as it
            is.
        tell: Hears of each command; of an environment that is there already, how the
            last one ended.

    Raises:
        SetupFailed: if a command fails. Nothing is kept then, so the next run tries
            again.
        SandboxUnavailable: if no sandbox can be opened.
    """
    if not setup:
        return checkout
    digest = await _digest(workshop, checkout, setup)
    folder = workshop.home / "environments" / f"{checkout.commit.key}-{digest}"
    folder.parent.mkdir(mode=PERSONAL, parents=True, exist_ok=True)
    made_now = False
    if not folder.exists():
        async with held(workshop.home / "locks" / folder.name), workshop.places:
            if not folder.exists():
                await _make(workshop, checkout, setup, folder / digest, tell)
                made_now = True
    os.utime(folder)
    facts = json.loads((folder / _FACTS).read_text())
    if not made_now:
        await tell(CheckResult.model_validate(facts["result"]), True)  # noqa: FBT003 - the callback's second half
    return replace(
        checkout,
        environment=folder / digest,
        made=tuple(facts["made"]),
        unignored=tuple(facts["unignored"]),
        variables=workshop.variables,
    )


async def missing_tools(
    backend: SandboxBackend, checkout: Checkout, project: Project
) -> tuple[str, ...]:
    """Notes on programs that set-up and checks begin with and that sandboxes do not see. Nothing of the project runs.

    Raises:
        SandboxUnavailable: if no sandbox can be opened.
    """
    commands = [entry.command for entry in (*project.setup, *project.checks)]
    first = {
        word
        for command in commands
        for word in re.findall(r"(?:^|[;&|])\s*([\w.-]+)", command)
    }
    if not (wanted := sorted(first.intersection(TOOLS))):
        return ()
    async with backend.open(Tree((checkout.path,)), Limits()) as sandbox:
        missing = await without(sandbox, wanted)
    return tuple(f"sandboxes do not see {tool}: {_MEND}" for tool in missing)


def size(folder: Path) -> int:
    """Return how many bytes the environment in `folder` takes on disk, as measured when it was made."""
    return int(json.loads((folder / _FACTS).read_text())["bytes"])


async def _digest(
    workshop: Workshop, checkout: Checkout, setup: Sequence[Command]
) -> str:
    """What, besides the commit, decides how an environment turns out: commands, variables, the tools of the sandbox."""
    async with workshop.backend.open(
        Tree((checkout.path,)), workshop.limits
    ) as sandbox:
        found = await sandbox.exec(
            ["sh", "-c", _PROBE, "sh", *TOOLS], timeout=_TIDY_SECONDS
        )
    commands = [command.command for command in setup]
    facts = [
        commands,
        dict(workshop.variables),
        workshop.backend.name,
        found.stdout.decode(errors="replace"),
    ]
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]


async def _make(
    workshop: Workshop,
    checkout: Checkout,
    setup: Sequence[Command],
    final: Path,
    tell: Tell,
) -> None:
    """Make the layer `final`, with what is to be known of it beside it, in a folder that is there whole or not."""
    part = final.parent.with_name(final.parent.name + PART)
    layer, work = part / final.name, part / "work"
    try:
        if part.exists():
            await asyncio.to_thread(remove_tree, part)
        part.mkdir(mode=PERSONAL)
        make_ground(layer)
        make_ground(work)
        # Nobody removes the checkout meanwhile.
        with locked_directory(checkout.path.parent, exclusive=False):
            tree = Tree(
                (checkout.path,), layer, work, path=tools.programs({tools.VENV})
            )
            result = await _set_up(workshop, tree, setup, tell)
            made, unignored = await _settle(workshop, checkout, layer)
        await asyncio.to_thread(remove_tree, work)
        used = await asyncio.to_thread(disk_usage, part)
        facts = {
            "bytes": used,
            "made": made,
            "unignored": unignored,
            "result": result.model_dump(mode="json"),
        }
        (part / _FACTS).write_text(json.dumps(facts))
        part.rename(final.parent)
    finally:
        if part.exists():
            await asyncio.to_thread(remove_tree, part)


async def _set_up(
    workshop: Workshop, tree: Tree, setup: Sequence[Command], tell: Tell
) -> CheckResult:
    """Run the commands and return how the last one ended.

    Raises:
        SetupFailed: if one fails, or ends its sandbox.
    """
    async with _way_out(workshop) as proxy:
        try:
            socket = proxy.socket if proxy else None
            async with workshop.backend.open(
                tree, workshop.limits, gateway=socket
            ) as sandbox:
                env = {
                    **tools.while_installing(sandbox.gateway_url if proxy else None),
                    **workshop.variables,
                }
                await sandbox.exec(["sh", "-c", _PREPARE])
                for command in setup:
                    result = await _run(sandbox, command, env)
                    await tell(result, False)  # noqa: FBT003
                    if not result.passed:
                        raise _failed(result, proxy)
                await sandbox.exec(["sh", "-c", _TIDY], timeout=_TIDY_SECONDS)
                return result
        except VariationError as error:
            raise SetupFailed(f"set-up failed: {error}") from error


@asynccontextmanager
async def _way_out(workshop: Workshop) -> AsyncIterator[Proxy | None]:
    if not workshop.egress:
        yield None
        return
    async with open_proxy(
        workshop.runtime / f"{secrets.token_hex(4)}.sock", workshop.egress
    ) as proxy:
        yield proxy


async def _run(
    sandbox: Sandbox, command: Command, env: Mapping[str, str]
) -> CheckResult:
    begun = time.monotonic()
    note = ""
    try:
        done = await sandbox.exec(
            ["sh", "-c", f"exec 2>&1; {command.command}"],
            env=env,
            timeout=command.timeout,
        )
        code, output = (
            done.exit_code,
            done.stdout[-OUTPUT_TAIL:].decode(errors="replace"),
        )
        note = f"stopped after {command.timeout:g} s" if code is None else ""
    except VariationError as error:
        code, output, note = None, "", str(error)
    seconds = round(time.monotonic() - begun, 3)
    return CheckResult(
        check=command.command, exit_code=code, seconds=seconds, output=output, note=note
    )


def _failed(result: CheckResult, proxy: Proxy | None) -> SetupFailed:
    how = result.note or f"exit code {result.exit_code}"
    if result.exit_code == NOT_FOUND:
        how += f", {NOT_FOUND_NOTE}"
    refused = "; ".join((proxy.refused if proxy else {}).values())
    return SetupFailed(
        f"set-up failed: `{result.check}`: {how}{f'. {refused}' if refused else ''}"
    )


async def _settle(
    workshop: Workshop, checkout: Checkout, layer: Path
) -> tuple[Sequence[str], Sequence[str]]:
    """Give the commit's own files back, and return what else there is now: all of it, and what a reader may miss."""
    tracked = await git("ls-files", "-z", cwd=checkout.path)
    await asyncio.to_thread(restore, layer, tracked.split(b"\0")[:-1])
    try:
        made, unignored = await list_untracked(
            checkout.path, layer, workshop.backend, workshop.limits
        )
    except VariationError as error:
        raise SetupFailed(
            f"what set-up made cannot be told from the project's own files: {error}"
        ) from error
    if len(made) > _MAX_MADE:
        raise SetupFailed(
            f"set-up made {len(made)} files in folders of the project; at most {_MAX_MADE} can be told"
        )
    await asyncio.to_thread(hide, layer, made, sandbox_uid())
    return made, [path for path in unignored if path != tools.FOLDER]
