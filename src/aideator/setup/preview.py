"""Say before a run what would be installed from where, and what is missing."""

import asyncio
import re
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

from aideator.domain.errors import VariationError
from aideator.domain.project import Project
from aideator.repositories.checkout import Checkout
from aideator.sandbox.base import (
    TOOLS,
    Finding,
    Limits,
    Sandbox,
    SandboxBackend,
    Tree,
    missing_programs,
)
from aideator.setup.network import Network, NetworkPolicy, host_of
from aideator.setup.project import find_project
from aideator.setup.registries.find import Ecosystem, needed_ecosystems
from aideator.setup.upstream import UpstreamProxy

_CONNECT_SECONDS = 5.0
_INSTALL_HINT = "install it in /usr, or name its directory in SANDBOX_TOOLCHAINS"
_NO_CHECKS = (
    "there are no checks, so nothing can be proven: name a command with --check"
)


async def preview_project(
    checkout: Checkout, policy: NetworkPolicy, backend: SandboxBackend | None
) -> Project:
    """Return how a run would set a commit up and check it. Nothing of it is executed.

    Args:
        checkout: The commit's files.
        policy: Which hosts set-up may reach.
        backend: Opens a sandbox to look for programs; None to look for none.
    """
    project = await asyncio.to_thread(
        lambda: find_project(checkout, can_install=policy.is_open)
    )
    commands = [command.command for command in project.setup]
    needed = await asyncio.to_thread(needed_ecosystems, checkout.project, commands)
    network = await policy.network(needed if commands else ())
    notes = [*project.notes, *_notes(project, network)]
    if backend is not None:
        notes += await _missing(backend, checkout, project)
    reach = _reach(policy, network) if commands else []
    return project.model_copy(update={"notes": tuple(notes), "reach": tuple(reach)})


def _notes(project: Project, network: Network) -> list[str]:
    """Return what a user should know before a run."""
    notes = [] if project.checks else [_NO_CHECKS]
    notes += _unknown(network)
    if project.allowed_hosts:
        options = " ".join(f"--allow-host {host}" for host in project.allowed_hosts)
        notes.append(
            ".aideator.toml names further hosts for set-up; a run asks first:"
            f" {options}"
        )
    return notes


def _reach(policy: NetworkPolicy, network: Network) -> list[str]:
    """Return the hosts that set-up may reach, each with who uses it."""
    users: dict[str, list[str]] = {}
    for registry in network.registries:
        for server in sorted(registry.servers):
            users.setdefault(host_of(server), []).append(registry.manager)
    named = {*policy.hosts, *policy.private_hosts} - users.keys()
    return [
        *(f"{host} ({', '.join(managers)})" for host, managers in users.items()),
        *sorted(named),
    ]


def _unknown(network: Network) -> list[str]:
    return [
        f"{registry.unknown}: a run asks for each host, or name it: --allow-host HOST"
        for registry in network.registries
        if registry.unknown
    ]


async def _missing(
    backend: SandboxBackend, checkout: Checkout, project: Project
) -> list[str]:
    """Return a note for each program that set-up and checks lack."""
    wanted = _programs(entry.command for entry in (*project.setup, *project.checks))
    installed = _programs_installed(project)
    tools = sorted(wanted.intersection(TOOLS) - installed)
    python = _pytest_python(project)
    if not tools and not python:
        return []
    async with backend.open(Tree((checkout.path,)), Limits()) as sandbox:
        notes = [
            f"sandboxes do not see {tool}: {_hint(tool)}"
            for tool in await missing_programs(sandbox, tools)
        ]
        if python and not await _has_pytest(sandbox, python):
            notes.append(
                f"{python} has no pytest in sandboxes, so the check cannot run:"
                ' --setup "python3 -m venv .venv"'
                ' --setup "python -m pip install pytest"'
            )
    return notes


def _programs(commands: Iterable[str]) -> set[str]:
    """Return the programs that commands begin with."""
    found: set[str] = set()
    for command in commands:
        found.update(re.findall(r"(?:^|[;&|])\s*([\w.-]+)", command))
    return found


def _programs_installed(project: Project) -> set[str]:
    """Return the programs that set-up installs itself, such as uv."""
    installed: set[str] = set()
    for entry in project.setup:
        if re.search(r"\bpip3? install\b|\bnpm install -g\b", entry.command):
            installed.update(re.findall(r"(?<= )@?[\w/-]+", entry.command))
        if re.search(r"\bpython3? -m venv \.venv\b", entry.command):
            installed.update({"pip", "python"})
    return installed


def _pytest_python(project: Project) -> str:
    """Return the Python that runs pytest where there is no set-up; empty for none."""
    if project.setup:
        return ""
    for check in project.checks:
        if found := re.match(r"(python3?) -m pytest\b", check.command):
            return found[1]
    return ""


async def _has_pytest(sandbox: Sandbox, python: str) -> bool:
    try:
        done = await sandbox.exec([python, "-c", "import pytest"], timeout=60)
    except VariationError:
        return True  # it is not known; the run will tell
    return done.exit_code == 0


def _hint(tool: str) -> str:
    """Return how to let sandboxes see a tool, with its folder if that is known."""
    found = shutil.which(tool)
    folder = Path(found).resolve().parent if found else None
    if folder is None or folder.name != "bin" or Path(found or "").is_symlink():
        return _INSTALL_HINT
    return f"export SANDBOX_TOOLCHAINS=auto,{folder.parent}"


async def setup_findings(policy: NetworkPolicy) -> list[Finding]:
    """Return which hosts set-up may reach, each tried: rows of `aideator doctor`."""
    if not policy.is_open:
        return [
            Finding(
                "set-up",
                ok=False,
                detail="may reach no host, so it installs nothing",
                fix="export SETUP_ALLOWED_HOSTS=auto",
            )
        ]
    what = (
        "this machine's registries; a run asks for further hosts"
        if policy.auto
        else "the hosts of SETUP_ALLOWED_HOSTS and SETUP_PRIVATE_HOSTS"
    )
    network = await policy.network(frozenset(Ecosystem))
    asked = [(each.manager, each.servers) for each in network.registries]
    asked.append(("named hosts", _named_servers(policy)))
    findings = [Finding("set-up", ok=True, detail=f"may reach {what}")]
    for name, servers in asked:
        if servers:
            findings.append(await _tried(name, servers, network))
    return findings + [
        Finding("set-up", ok=True, detail=each.unknown)
        for each in network.registries
        if each.unknown
    ]


def _named_servers(policy: NetworkPolicy) -> frozenset[str]:
    names = policy.hosts | policy.private_hosts
    return frozenset(name if ":" in name else f"{name}:443" for name in names)


async def _tried(what: str, servers: Iterable[str], network: Network) -> Finding:
    """Return whether all servers of a package manager accept a connection."""
    listed = sorted(servers)
    upstream = network.egress.upstream
    async with asyncio.TaskGroup() as group:
        tries = {each: group.create_task(_answers(each, upstream)) for each in listed}
    silent = [host_of(each) for each, tried in tries.items() if not tried.result()]
    return Finding(
        f"set-up: {what}",
        ok=not silent,
        detail=_told(listed, silent),
        fix=_fix(silent),
    )


def _told(listed: Sequence[str], silent: Sequence[str]) -> str:
    if silent:
        return f"{', '.join(silent)} cannot be reached"
    return f"{', '.join(map(host_of, listed))} can be reached"


def _fix(silent: Sequence[str]) -> str:
    if not silent:
        return ""
    return (
        f"see why: curl -sSI https://{silent[0]}; behind a proxy: export HTTPS_PROXY=…"
    )


async def _answers(server: str, upstream: UpstreamProxy | None) -> bool:
    host, _, port = server.rpartition(":")
    try:
        async with asyncio.timeout(_CONNECT_SECONDS):
            if upstream is not None and upstream.serves(host, int(port)):
                _, writer = await upstream.connect(host, int(port))
            else:
                _, writer = await asyncio.open_connection(host, int(port))
    except (OSError, TimeoutError, UnicodeError):
        return False
    writer.close()
    return True
