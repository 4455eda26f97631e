"""Hostile code that tries to outlive its sandbox, or to exhaust the host, fails."""

import asyncio
import resource
import secrets
import signal
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from aideator.domain.errors import DiskLimitExceeded, SandboxLost
from aideator.sandbox.base import Limits, Sandbox
from aideator.sandbox.bubblewrap.cgroup import remove_stale
from aideator.sandbox.bubblewrap.parent_group import PREFIX
from aideator.sandbox.registry import open_backend
from aideator.testing.abuse import canaries
from aideator.testing.abuse.__main__ import LIMITS, make_tree
from tests.conftest import PATIENCE

DAEMON = """
import os, signal, sys
signal.signal(signal.SIGTERM, signal.SIG_IGN)
signal.signal(signal.SIGHUP, signal.SIG_IGN)
if os.fork():
    os._exit(0)
os.setsid()
if os.fork():
    os._exit(0)
os.closerange(0, 64)
if sys.argv[2:] == ["alone"]:
    os.kill(-1, signal.SIGSTOP)  # the shim, too, which would notice its host's end
os.execv("/bin/sleep", [sys.argv[1], "86400"])
"""


@asynccontextmanager
async def opened(directory: Path, limits: Limits = LIMITS) -> AsyncGenerator[Sandbox]:
    await asyncio.to_thread(directory.mkdir, mode=0o711)
    async with open_backend("bubblewrap", runtime_dir=directory / "run").open(
        make_tree(directory), limits
    ) as sandbox:
        yield sandbox


@pytest.fixture
def marker() -> str:
    """A name by which the host finds a process, whatever it did to hide."""
    return f"survivor-{secrets.token_hex(8)}"


def alive(marker: str) -> list[bytes]:
    """The command lines of all processes on the host that bear the name."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            found.append((process / "cmdline").read_bytes())
    return [line for line in found if marker.encode() in line]


def settled(marker: str) -> bool:
    """Whether the daemon has done all that it does and goes under its new name."""
    return any(line.startswith(marker.encode()) for line in alive(marker))


def groups_of(server: int) -> list[Path]:
    return list(Path("/sys/fs/cgroup").rglob(f"{PREFIX}.*.{server}.*"))


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something that nothing announces."""
    for _ in range(1500):
        if condition():
            return
        await asyncio.sleep(0.02)
    pytest.fail("it did not come to pass")


async def test_a_daemon_in_its_own_session_that_ignores_signals_dies_with_the_sandbox(
    home: Path, marker: str
) -> None:
    async with opened(home / "cell") as sandbox:
        started = await sandbox.exec(["python3", "-c", DAEMON, marker])
        assert started.exit_code == 0, started.stderr
        await until(lambda: settled(marker))
        assert (await sandbox.exec(["true"])).exit_code == 0
        assert alive(marker), (
            "the daemon should outlive its parent, or this test proves nothing"
        )
    assert alive(marker) == []


async def test_killing_everything_inside_reaches_nothing_outside(home: Path) -> None:
    (home / "canaries").mkdir()
    async with canaries(home / "canaries") as known, opened(home / "other") as other:
        async with opened(home / "cell") as sandbox:
            with suppress(SandboxLost):
                await sandbox.exec(["sh", "-c", "kill -9 -1; kill -9 1"])
        await known.prove_alive()
        assert (await other.exec(["echo", "unharmed"])).stdout == b"unharmed\n"


LAUNCHER = """
import asyncio, sys
from pathlib import Path
from aideator.sandbox.registry import open_backend
from aideator.testing.abuse.__main__ import LIMITS, make_tree
from tests.conftest import PATIENCE

async def main():
    directory = Path(sys.argv[1])
    backend = open_backend("bubblewrap", runtime_dir=directory / "run")
    async with backend.open(make_tree(directory), LIMITS) as sandbox:
        await sandbox.exec(["python3", "-c", sys.stdin.read(), sys.argv[2], "alone"])
        await sandbox.exec(["sleep", "86400"])

asyncio.run(main())
"""


async def test_nothing_survives_a_launcher_that_is_killed(
    home: Path, marker: str
) -> None:
    await asyncio.to_thread((home / "cell").mkdir, mode=0o711)
    launcher = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        LAUNCHER,
        home / "cell",
        marker,
        stdin=asyncio.subprocess.PIPE,
    )
    assert launcher.stdin is not None
    launcher.stdin.write(DAEMON.encode())
    launcher.stdin.close()
    await until(lambda: settled(marker))
    launcher.send_signal(signal.SIGKILL)
    await launcher.wait()
    await until(lambda: alive(marker) == [])
    remove_stale()
    assert groups_of(launcher.pid) == []


async def test_writing_without_end_stops_at_the_disk_limit(home: Path) -> None:
    flood = (
        "for n in $(seq 10000); do "
        "dd if=/dev/zero of=flood$n bs=1M count=64 2>/dev/null; sleep 0.05; done"
    )
    with pytest.raises(DiskLimitExceeded):
        async with opened(home / "cell") as sandbox:
            await sandbox.exec(["sh", "-c", flood], timeout=60)
    left = sum(file.lstat().st_size for file in (home / "cell/upper").iterdir())
    assert left < 5 * 2**30, (
        "the watchdog looks each second; ten gigabytes would mean that it did not"
    )


async def test_making_empty_files_without_end_stops_at_the_disk_limit(
    home: Path,
) -> None:
    """They take no bytes, but the inodes of everybody on the disk."""
    flood = "seq 10000000 | xargs touch"
    with pytest.raises(DiskLimitExceeded):
        async with opened(home / "cell", replace(LIMITS, disk_bytes=2**26)) as sandbox:
            await sandbox.exec(["sh", "-c", flood], timeout=PATIENCE)
    assert sum(1 for _ in (home / "cell/upper").iterdir()) < 1_000_000


async def test_one_file_cannot_grow_beyond_the_disk_limit(home: Path) -> None:
    async with opened(home / "cell") as sandbox:
        done = await sandbox.exec(
            ["dd", "if=/dev/zero", "of=big", "bs=1M", "count=10240"]
        )
        assert done.exit_code != 0
        with suppress(DiskLimitExceeded):
            size = await sandbox.exec(["stat", "-c", "%s", "big"])
            assert int(size.stdout) <= LIMITS.disk_bytes


@pytest.mark.parametrize(("to", "count"), [("stdout", 2**30), ("stderr", 2**27)])
async def test_printing_without_end_is_cut_and_does_not_grow_the_host(
    home: Path, to: str, count: int
) -> None:
    async with opened(home / "cell") as sandbox:
        await sandbox.exec(["true"])
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        done = await sandbox.exec(
            ["sh", "-c", f"head -c {count} /dev/zero >/dev/{to}; echo end >/dev/{to}"]
        )
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
        output = done.stdout if to == "stdout" else done.stderr
        assert (done.exit_code, done.truncated) == (0, True)
        assert len(output) <= LIMITS.output_bytes + 1024
        assert output.endswith(b"end\n")
        assert grown < 8 * LIMITS.output_bytes


async def test_a_process_that_ignores_the_polite_signal_ends_at_the_time_limit(
    home: Path, marker: str
) -> None:
    async with opened(home / "cell") as sandbox:
        stubborn = f"trap '' TERM HUP INT; exec -a {marker} sleep 86400"
        done = await sandbox.exec(["bash", "-c", stubborn], timeout=0.5)
        assert done.exit_code is None
        await until(lambda: alive(marker) == [])
        assert (await sandbox.exec(["true"])).exit_code == 0


async def test_a_fork_bomb_leaves_another_sandbox_and_the_host_able_to_work(
    home: Path,
) -> None:
    bomb = "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass"
    async with opened(home / "other") as other, opened(home / "cell") as sandbox:
        process = await sandbox.spawn(["python3", "-c", bomb])
        process.stdin.close()
        for _ in range(5):
            assert (
                await other.exec(["sh", "-c", "true | true"], timeout=60)
            ).exit_code == 0
        await process.kill()
