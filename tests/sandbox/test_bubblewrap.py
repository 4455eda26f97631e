"""The bubblewrap back end: what it leaves on the host, how it ends, why it fails."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import aideator
from aideator.domain.errors import SandboxLost, SandboxUnavailable
from aideator.sandbox.base import (
    Bind,
    Limits,
    Sandbox,
    SandboxBackend,
    Tree,
    sandbox_uid,
)
from aideator.sandbox.bubblewrap.doctor import (
    explain,
    limit_findings,
    share_finding,
)
from aideator.sandbox.bubblewrap.parent_group import Share
from aideator.sandbox.registry import open_backend
from aideator.testing.conformance import BEHAVIOURS

LAUNCHER = """
import asyncio, sys
from pathlib import Path
from aideator.sandbox.base import Limits, Tree
from aideator.sandbox.registry import open_backend

async def main(home, mark):
    backend = open_backend("bubblewrap", runtime_dir=home / "run")
    tree = Tree((home / "layer",), home / "upper", home / "work")
    async with backend.open(tree, Limits()) as sandbox:
        # The shim is stopped, so that it cannot help by ending with its connection.
        hidden = (
            f"trap '' TERM HUP; setsid sleep {mark} & echo ready; sleep 0.2; "
            f"kill -STOP 2; exec sleep {mark}1"
        )
        process = await sandbox.spawn(["sh", "-c", hidden])
        print((await process.stdout.readline()).decode(), end="", flush=True)
        await process.wait()

asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
"""


@pytest.fixture
def tree(home: Path) -> Tree:
    for name in ("layer", "upper", "work"):
        (home / name).mkdir()
    return Tree((home / "layer",), home / "upper", home / "work")


@pytest.fixture
def backend(home: Path) -> SandboxBackend:
    return open_backend("bubblewrap", runtime_dir=home / "run")


async def shell(sandbox: Sandbox, script: str) -> str:
    result = await sandbox.exec(["sh", "-c", script])
    return (result.stdout + result.stderr).decode()


def until(condition: Callable[[], bool]) -> None:
    """Wait for something that has to happen, with an end."""
    for _ in range(200):
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError("it did not happen within ten seconds")


def running(*words: str) -> bool:
    wanted = "\0".join(words).encode()
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if wanted in path.read_bytes():
                return True
        except OSError:
            continue
    return False


def launch(home: Path, mark: str) -> subprocess.Popen[str]:
    source = Path(aideator.__file__).parents[1]
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(source)}
    arguments = [sys.executable, "-c", LAUNCHER, str(home), mark]
    return subprocess.Popen(
        arguments, env=environment, stdout=subprocess.PIPE, text=True
    )


def cells(home: Path) -> list[Path]:
    return list((home / "run").glob("*"))


def mounts() -> str:
    return Path("/proc/self/mountinfo").read_text()


async def test_its_processes_are_nicer_than_the_server(
    tree: Tree, backend: SandboxBackend
) -> None:
    async with backend.open(tree, Limits()) as sandbox:
        found = int(await shell(sandbox, "nice"))
    assert found == min(os.getpriority(os.PRIO_PROCESS, 0) + 5, 19)


async def test_everything_dies_when_the_server_is_killed(
    tree: Tree, home: Path, backend: SandboxBackend
) -> None:
    with launch(home, "98761.5") as server:
        assert server.stdout is not None
        assert server.stdout.readline() == "ready\n"
        until(lambda: running("sleep", "98761.51"))
        server.send_signal(signal.SIGKILL)
    until(lambda: not running("sleep", "98761.5"))
    assert str(home) not in mounts()
    left = cells(home)
    assert len(left) == 1
    os.utime(left[0], (0, 0))
    async with backend.open(tree, Limits()):
        assert left[0] not in cells(home)


async def test_the_cell_of_a_living_server_is_left_alone(
    tree: Tree, home: Path, backend: SandboxBackend
) -> None:
    with launch(home, "98762.5") as server:
        assert server.stdout is not None
        assert server.stdout.readline() == "ready\n"
        (cell,) = cells(home)
        os.utime(cell, (0, 0))
        other = Tree((home / "layer",))
        async with backend.open(other, Limits()):
            assert cell.is_dir()
        server.kill()
    until(lambda: not running("sleep", "98762.5"))


async def test_nothing_is_mounted_on_the_host_and_nothing_is_left(
    tree: Tree, home: Path, backend: SandboxBackend
) -> None:
    before = mounts()
    async with backend.open(tree, Limits()) as sandbox:
        await shell(sandbox, "echo x > file")
        assert mounts() == before
    assert cells(home) == []
    assert [path.name for path in (home / "upper").iterdir()] == ["file"]


@pytest.mark.parametrize("delay", [0, 0.002, 0.01, 0.02, 0.03, 0.05, 0.08])
async def test_cancelling_at_any_moment_leaves_nothing(
    delay: float, tree: Tree, home: Path, backend: SandboxBackend
) -> None:
    async def use() -> None:
        async with backend.open(tree, Limits()) as sandbox:
            await sandbox.exec(["sleep", "98763.5"])

    async with asyncio.TaskGroup() as group:
        task = group.create_task(use())
        await asyncio.sleep(delay)
        task.cancel()
    assert cells(home) == []
    until(lambda: not running("sleep", "98763.5"))
    until(lambda: not running(f"--args\0{home}"))


async def test_no_host_path_shows_inside(
    tree: Tree, home: Path, backend: SandboxBackend
) -> None:
    if sandbox_uid() is None:
        pytest.skip(
            "without root, bubblewrap mounts the overlay and names its directories"
        )
    async with backend.open(tree, Limits()) as sandbox:
        shown = await shell(sandbox, "grep ' /workspace ' /proc/self/mountinfo")
        assert "upperdir=upper" in shown
        assert str(home) not in shown


async def test_the_shim_cannot_be_looked_into(
    tree: Tree, backend: SandboxBackend
) -> None:
    async with backend.open(tree, Limits()) as sandbox:
        assert "shim.pyc" in await shell(sandbox, "tr '\\0' ' ' < /proc/2/cmdline")
        for secret in ("mem", "environ", "maps", "fd/"):
            assert "denied" in (
                await shell(
                    sandbox, f"head -c 1 /proc/2/{secret} || ls /proc/2/{secret}"
                )
            )


async def test_a_process_may_kill_the_shim_and_only_ends_its_own_sandbox(
    tree: Tree, backend: SandboxBackend
) -> None:
    async with (
        backend.open(tree, Limits()) as sandbox,
        backend.open(Tree(tree.layers), Limits()) as other,
    ):

        async def kill_the_shim() -> None:
            process = await sandbox.spawn(["sh", "-c", "kill -9 2; sleep 1000"])
            await process.wait()

        with pytest.raises(SandboxLost):  # told by `spawn`, if the shim dies that soon
            await kill_the_shim()
        assert await shell(other, "echo fine") == "fine\n"


async def test_running_out_of_memory_is_said(
    tree: Tree, backend: SandboxBackend
) -> None:
    hog = (
        "import os; [os.fork() for _ in range(3)]; x = []\n"
        "while True: x.append(bytearray(10**6))"
    )
    async with backend.open(tree, Limits(memory_bytes=64 * 2**20)) as sandbox:
        if not sandbox.isolation.limits["memory"].startswith("cgroup"):
            pytest.skip("no control group limits memory here")
        assert (await sandbox.exec(["python3", "-c", hog], timeout=30)).exit_code == 137
        assert await shell(sandbox, "echo fine") == "fine\n"


async def test_a_toolchain_comes_first_on_path(tree: Tree, home: Path) -> None:
    tools = home / "private" / "tools"
    (tools / "bin").mkdir(parents=True)
    (tools / "bin" / "git").write_text("#!/bin/sh\necho a git of our own\n")
    (tools / "bin" / "git").chmod(0o755)
    # As a tool chain below root's home: the sandbox's uid cannot go there.
    (home / "private").chmod(0o700)
    backend = open_backend("bubblewrap", runtime_dir=home / "run", toolchains=[tools])
    async with backend.open(tree, Limits()) as sandbox:
        assert await shell(sandbox, "git") == "a git of our own\n"
        assert (
            await sandbox.exec(["python3", "-c", "import ssl, sqlite3, ctypes"])
        ).exit_code == 0


def debian_java_runs() -> bool:
    """Return whether a Java works that has its other half below /etc, and Maven's."""
    halves = [*Path("/etc").glob("java-*-openjdk"), *Path("/etc").glob("maven")]
    if len(halves) < 2 or shutil.which("java") is None:
        return False
    # A program on PATH may be a version manager's without a version.
    asked = subprocess.run(["java", "-version"], capture_output=True, check=False)
    return asked.returncode == 0


@pytest.mark.skipif(
    not debian_java_runs(), reason="this machine has no working Java of Debian's"
)
async def test_javas_other_half_below_etc_is_there_but_no_settings_with_passwords(
    tree: Tree, home: Path
) -> None:
    backend = open_backend("bubblewrap", runtime_dir=home / "run")
    async with backend.open(tree, Limits(memory_bytes=2**30)) as sandbox:
        said = await shell(
            sandbox,
            "java -version; ls /etc/maven; "
            "grep -h ^security.provider.1= /etc/java-*/security/*",
        )
    assert "Runtime Environment" in said, said
    assert "security.provider.1=" in said
    assert "settings.xml" not in said


async def test_a_path_with_odd_characters_is_just_a_path(home: Path) -> None:
    odd = home / "a b,c:d\\e#f"
    for name in ("one", "two", "upper", "work", "run"):
        (odd / name).mkdir(parents=True)
    (odd / "one" / "file").write_text("found\n")
    tree = Tree((odd / "one", odd / "two"), odd / "upper", odd / "work")
    backend = open_backend("bubblewrap", runtime_dir=odd / "run")
    async with backend.open(
        tree, Limits(), binds=[Bind(odd / "one", "/opt/one two")]
    ) as sandbox:
        assert await shell(sandbox, "cat file '/opt/one two/file'") == "found\nfound\n"


async def test_a_bind_that_does_not_exist_is_named(
    tree: Tree, home: Path, backend: SandboxBackend
) -> None:
    with pytest.raises(SandboxUnavailable, match="nowhere"):
        async with backend.open(
            tree, Limits(), binds=[Bind(home / "nowhere", "/opt/x")]
        ):
            pass
    assert cells(home) == []


async def test_a_layer_that_does_not_exist_is_said_by_whoever_mounts(
    home: Path, backend: SandboxBackend
) -> None:
    with pytest.raises(
        SandboxUnavailable, match=r"no sandbox could be opened: .*(mount|bwrap)"
    ):
        async with backend.open(Tree((home / "nowhere",)), Limits()):
            pass


async def test_a_runtime_directory_that_is_too_deep_is_refused(
    tree: Tree, home: Path
) -> None:
    backend = open_backend("bubblewrap", runtime_dir=home / ("x" * 100))
    with pytest.raises(SandboxUnavailable, match="too long a path") as refused:
        async with backend.open(tree, Limits()):
            pass
    assert "shorter" in refused.value.hint


async def test_an_unknown_back_end_says_what_there_is(home: Path) -> None:
    with pytest.raises(
        SandboxUnavailable, match="no sandbox back end 'chroot'"
    ) as refused:
        open_backend("chroot", runtime_dir=home)
    assert "bubblewrap" in refused.value.hint


async def test_the_check_opens_a_sandbox_for_real(
    home: Path, backend: SandboxBackend
) -> None:
    findings = {finding.name: finding for finding in await backend.check()}
    assert findings["sandbox"].ok, findings
    assert findings["tools"].detail.startswith("sandboxes see python3, ")
    assert findings["tools"].detail.endswith(" (SANDBOX_TOOLCHAINS)"), (
        "uv is in no sandbox"
    )
    assert {
        f"{limit} limit" for limit in ("memory", "cpu", "pids", "disk", "output")
    } < set(findings)
    assert cells(home) == []


async def test_the_check_says_what_is_wrong(home: Path) -> None:
    (home / "run").write_text("not a directory")
    findings = await open_backend("bubblewrap", runtime_dir=home / "run").check()
    assert [finding.name for finding in findings if finding.fatal] == ["sandbox"]


def test_a_failure_that_comes_of_a_missing_right_is_explained() -> None:
    assert (
        "CAP_SYS_ADMIN" in explain("unshare: unshare failed: Operation not permitted")
        or Path("/.dockerenv").exists()
    )
    assert "system Python" in explain(
        "python3.11: error while loading shared libraries: libpython3.11.so.1.0"
    )
    assert explain("something else entirely") == ""


def test_a_limit_that_nobody_enforces_is_a_finding_with_a_fix() -> None:
    (finding,) = limit_findings({"memory": "advisory"})
    assert not finding.ok
    assert not finding.fatal
    assert "Delegate=yes" in finding.fix


async def test_the_doctor_shows_how_a_busy_processor_is_divided(
    backend: SandboxBackend,
) -> None:
    (finding,) = [found for found in await backend.check() if found.name == "cpu share"]
    assert finding.ok
    assert "no group" in finding.detail or "1 open, 1 ×" in finding.detail
    refused = share_finding(Share(3, 1.0, "cpu.shares"))
    assert not refused.ok
    assert refused.fix


UNPRIVILEGED = 64_747
CHECK = """
import asyncio, sys
from pathlib import Path
from aideator.sandbox.registry import open_backend
from aideator.testing.conformance import check_sandbox

home = Path(sys.argv[1])
known = {"directories_can_be_renamed": "an overlay without root answers EXDEV"}
backend = open_backend("bubblewrap", runtime_dir=home / "run")
for outcome in asyncio.run(check_sandbox(backend, home, known=known)):
    print("ok" if outcome.ok else "FAILED", outcome.name, outcome.detail)
"""


@pytest.mark.slow
def test_an_ordinary_user_gets_the_same_promises_but_one(home: Path) -> None:
    """The whole conformance check once more, from a process that is not root."""
    if os.geteuid() != 0:
        pytest.skip("this is an ordinary user: test_conformance.py has just shown it")
    python = shutil.which(
        f"python3.{sys.version_info.minor}", path="/usr/bin:/usr/local/bin"
    )
    if python is None:
        pytest.skip(
            "the only Python of this version is one that other users cannot start"
        )
    os.chown(home, UNPRIVILEGED, UNPRIVILEGED)
    environment = {
        "PATH": "/usr/bin:/bin",
        "PYTHONPATH": ":".join(filter(None, sys.path)),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    done = subprocess.run(
        [python, "-c", CHECK, home],
        env=environment,
        cwd=home,
        user=UNPRIVILEGED,
        group=UNPRIVILEGED,
        extra_groups=[],
        capture_output=True,
        text=True,
        check=False,
    )
    if "Permission denied" in done.stderr:
        pytest.skip("other users cannot read this checkout")
    assert "FAILED" not in done.stdout
    kept = done.stdout.count("ok ")
    assert (done.returncode, kept, done.stderr) == (0, len(BEHAVIOURS), "")
