"""Control groups on the real kernel: limits are enforced, and no group is left."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from aideator.sandbox.base import Limits, Tree
from aideator.sandbox.bubblewrap import cgroup, parent_group
from aideator.sandbox.bubblewrap.cgroup import Cgroup
from aideator.sandbox.registry import open_backend
from tests.conftest import PATIENCE

Start = Callable[[Cgroup, str], subprocess.Popen[bytes]]
LIMIT_FILES = {
    "memory.max",
    "memory.limit_in_bytes",
    "pids.max",
    "cpu.max",
    "cpu.cfs_quota_us",
}
SMALL = Limits(memory_bytes=64 * 2**20, cpus=0.2, pids=20)


def need(limit: str) -> None:
    if limit not in cgroup.available():
        pytest.skip(
            f"no control group limits {limit} here: "
            f"enforced are {cgroup.available() or 'none'}"
        )


@pytest.fixture
def group() -> Iterator[Cgroup]:
    made = Cgroup.create("test", SMALL)
    yield made
    made.kill()
    assert made.remove()


@pytest.fixture
def start() -> Iterator[Start]:
    """Run Python under the limits from its first line on."""
    with ExitStack() as stack:

        def run(group: Cgroup, program: str) -> subprocess.Popen[bytes]:
            process = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", f"input()\n{program}"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                start_new_session=True,
            )
            stack.enter_context(process)
            stack.callback(process.kill)
            group.add(process.pid)
            assert process.stdin is not None
            process.stdin.write(b"\n")
            process.stdin.flush()
            return process

        yield run


def test_a_process_that_takes_too_much_memory_is_killed_and_the_group_tells(
    group: Cgroup, start: Start
) -> None:
    need("memory")
    hog = start(group, "held = bytearray(b'1') * (256 << 20)")
    assert hog.wait() == -signal.SIGKILL
    assert group.oom_killed()
    peak = group.memory_peak()
    assert peak is None or SMALL.memory_bytes // 2 < peak <= SMALL.memory_bytes


def test_two_processes_share_one_memory_limit(group: Cgroup, start: Start) -> None:
    need("memory")
    each = "held = bytearray(b'1') * (48 << 20); print('held', flush=True); input()"
    hogs = [start(group, each) for _ in range(2)]
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and all(hog.poll() is None for hog in hogs):
        time.sleep(0.02)
    assert -signal.SIGKILL in [hog.poll() for hog in hogs]


def test_a_modest_process_is_left_alone(group: Cgroup, start: Start) -> None:
    modest = start(group, "held = bytearray(b'1') * (8 << 20); print(len(held))")
    stdout, _ = modest.communicate()
    assert (modest.returncode, stdout) == (0, b"8388608\n")
    assert not group.oom_killed()


FORK_BOMB = """
import os, signal
children = []
try:
    while len(children) < 100:
        child = os.fork()
        if not child:
            signal.pause()
        children.append(child)
except BlockingIOError:
    pass
print(len(children), flush=True)
for child in children:
    os.kill(child, signal.SIGKILL)
"""


def test_forking_stops_at_the_limit(group: Cgroup, start: Start) -> None:
    need("pids")
    done, _ = start(group, FORK_BOMB).communicate()
    assert int(done) == SMALL.pids - 1


BUSY = """
import time
begun, used = time.monotonic(), time.process_time()
while time.monotonic() < begun + 1.5:
    pass
print((time.process_time() - used) / (time.monotonic() - begun))
"""


def test_a_busy_process_gets_its_share_of_the_cpu_and_no_more(
    group: Cgroup, start: Start
) -> None:
    need("cpu")
    share, _ = start(group, BUSY).communicate()
    assert float(share) < 0.5, (
        f"{SMALL.cpus} is the limit; nothing but the limit keeps a loop from 1.0"
    )


def test_what_is_said_to_be_enforced_is_what_the_kernel_has(group: Cgroup) -> None:
    held = dict[str, str]()
    for place in group.groups:
        for file in place.iterdir():
            if file.name in LIMIT_FILES:
                held[file.name] = file.read_text().strip()
    assert ("memory" in group.enforced) == (str(SMALL.memory_bytes) in held.values())
    assert ("pids" in group.enforced) == (held.get("pids.max") == str(SMALL.pids))
    assert ("cpu" in group.enforced) == bool(
        {"20000", "20000 100000"} & set(held.values())
    )


def test_killing_reaches_every_process_and_the_groups_can_be_removed(
    start: Start,
) -> None:
    made = Cgroup.create("killed", SMALL)
    if not made.groups:
        pytest.skip("no control groups here")
    family = (
        "import os, signal\nfor _ in range(5):\n    if not os.fork(): signal.pause()\n"
    )
    parent = start(made, family + "print('ready', flush=True)\nsignal.pause()")
    assert parent.stdout is not None
    assert parent.stdout.readline() == b"ready\n"
    made.kill()
    assert parent.wait() == -signal.SIGKILL
    assert made.remove()
    assert not any(group.exists() for group in made.groups)


def test_killing_works_where_the_kernel_cannot_do_it_at_once(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Cgroup.create("one-by-one", SMALL)
    write = parent_group.write_setting

    def refuse_kill(file: Path, value: int | str) -> bool:
        return file.name != "cgroup.kill" and write(file, value)

    # An old kernel is one that refuses this one file.
    monkeypatch.setattr(cgroup, "write_setting", refuse_kill)  # house: an old kernel
    need_members = [group for group in made.groups if (group / "cgroup.procs").exists()]
    if not need_members:
        pytest.skip("no control groups here")
    sleepers = [start(made, "import signal; signal.pause()") for _ in range(4)]
    made.kill()
    assert [sleeper.wait(timeout=PATIENCE) for sleeper in sleepers] == [
        -signal.SIGKILL
    ] * 4
    assert made.remove()


def test_a_group_with_a_process_in_it_is_not_removed(
    group: Cgroup, start: Start
) -> None:
    if not group.groups:
        pytest.skip("no control groups here")
    start(group, "import signal; signal.pause()")
    assert not group.remove()


CRASH = """
import subprocess, sys
from aideator.sandbox.base import Limits, Tree
from aideator.sandbox.bubblewrap.cgroup import Cgroup
from aideator.sandbox.registry import open_backend
group = Cgroup.create("crashed", Limits())
child = subprocess.Popen(["sleep", "86400"], stdout=subprocess.DEVNULL)
group.add(child.pid)
print(child.pid, *group.groups, flush=True)
input()
"""


def start_server() -> tuple[subprocess.Popen[str], str, list[str]]:
    """Start another server; return it, a process in its group, and its groups."""
    server = subprocess.Popen(
        [sys.executable, "-c", CRASH],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert server.stdout is not None
    orphan, *groups = server.stdout.readline().split()
    return server, orphan, groups


def test_groups_of_a_server_that_was_killed_are_cleared_away_with_their_processes() -> (
    None
):
    mine = Cgroup.create("crashed", SMALL)
    server, orphan, groups = start_server()
    if not groups:
        pytest.skip("no control groups here")
    try:
        cgroup.remove_stale()
        assert all(Path(group).exists() for group in groups), "its server lives"
        server.kill()
        server.communicate()
        assert Path("/proc", orphan).exists()
        cgroup.remove_stale()
        assert not any(Path(group).parent.exists() for group in groups)
        assert all(group.exists() for group in mine.groups)
    finally:
        with suppress(ProcessLookupError):
            os.kill(int(orphan), signal.SIGKILL)
        assert mine.remove()


def need_weight() -> None:
    made = Cgroup.create("trial", SMALL)
    weighed = cgroup.sandboxes_share()
    made.remove()
    if weighed is None:
        pytest.skip("no control group divides the processor here")


def parents_of(group: Cgroup) -> list[Path]:
    return [path.parent for path in group.groups]


def test_sandboxes_together_weigh_as_much_as_that_many_processes() -> None:
    need_weight()
    assert cgroup.sandboxes_share() is None, "nothing is left when none is open"
    made = []
    for number in range(1, 6):
        made.append(Cgroup.create(f"weighed-{number}", SMALL))
        share = cgroup.sandboxes_share()
        assert share is not None
        assert (share.sandboxes, share.processes) == (number, number)
    parents = parents_of(made[0])
    for number in range(4, -1, -1):
        assert made.pop().remove()
        share = cgroup.sandboxes_share()
        assert (share.processes if share else 0) == number
    assert not any(parent.exists() for parent in parents)


def test_sandboxes_that_open_and_close_at_once_are_counted_right() -> None:
    need_weight()
    with ThreadPoolExecutor(8) as pool:
        for _ in range(10):
            made = list(
                pool.map(lambda n: Cgroup.create(f"at-once-{n}", SMALL), range(16))
            )
            share = cgroup.sandboxes_share()
            assert share is not None
            assert share.processes == 16
            assert all(pool.map(lambda group: group.remove(), made))
            assert cgroup.sandboxes_share() is None


def test_each_server_has_a_parent_of_its_own() -> None:
    need_weight()
    mine = Cgroup.create("mine", SMALL)
    other, orphan, groups = start_server()
    try:
        theirs = {Path(group).parent for group in groups}
        assert theirs.isdisjoint(parents_of(mine))
        share = cgroup.sandboxes_share()
        assert share is not None
        assert share.sandboxes == 1
    finally:
        other.kill()
        other.communicate()
        with suppress(ProcessLookupError):
            os.kill(int(orphan), signal.SIGKILL)
        cgroup.remove_stale()
        assert mine.remove()


def test_a_parent_of_version_2_and_the_servers_own_group_weigh_the_same(
    tmp_path: Path,
) -> None:
    # A fake: the kernel makes these files with the directory.
    parent, server = tmp_path / "parent", tmp_path / parent_group.SERVER_LEAF
    for directory in (parent, server, parent / "one", parent / "two"):
        directory.mkdir()
    for group in (parent, server):
        (group / "cpu.weight").write_text("100")
    parent_group.settle(parent)
    assert (parent / "cpu.weight").read_text() == "200"
    assert (server / "cpu.weight").read_text() == "200"
    assert parent_group.share(parent) == parent_group.Share(2, 2.0, "cpu.weight")
    for number in range(200):
        (parent / f"more-{number}").mkdir()
    parent_group.settle(parent)
    assert (parent / "cpu.weight").read_text() == "10000", "the kernel takes no more"


def test_a_process_with_the_number_of_a_dead_server_does_not_keep_its_groups(
    tmp_path: Path,
) -> None:
    name = parent_group.parent_name()
    reused = f"{name.rpartition('.')[0]}.1"
    elsewhere = name.replace(name.split(".")[1], "1", 1)
    for directory in (name, reused, elsewhere):
        (tmp_path / directory).mkdir()
    assert list(parent_group.stale_parents(tmp_path)) == [tmp_path / reused]


def test_what_groups_do_not_hold_is_left_to_resource_limits() -> None:
    assert cgroup.rlimits(SMALL, {"memory": "cgroup v2", "pids": "cgroup v2"}) == {}
    assert cgroup.rlimits(SMALL, {"cpu": "cgroup v1"}) == {
        "data": SMALL.memory_bytes,
        "nproc": SMALL.pids,
    }


def test_a_group_without_any_hierarchy_holds_nothing_and_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cgroup, "_hierarchies", tuple)  # house: needs another machine
    bare = Cgroup.create("bare", SMALL)
    bare.add(os.getpid())
    bare.kill()
    assert (
        dict(bare.enforced),
        bare.oom_killed(),
        bare.memory_peak(),
        bare.remove(),
    ) == ({}, False, None, True)


def cpu_settings() -> set[str]:
    """Return the CPU limits of this process's sandboxes, as the kernel has them."""
    found = set[str]()
    for hierarchy in cgroup._hierarchies():  # noqa: SLF001
        for place in hierarchy.places:
            for group in (place / parent_group.parent_name()).glob("*/"):
                for name in ("cpu.max", "cpu.cfs_quota_us"):
                    with suppress(OSError):
                        found.add((group / name).read_text().split()[0])
    return found


async def test_a_sandbox_may_use_more_cpu_while_it_starts_and_its_limit_from_then_on(
    home: Path,
) -> None:
    need("cpu")
    (home / "base").mkdir()
    # Read and not measured: on a busy machine no process gets what its limit allows.
    limits = Limits(cpus=0.2, start_cpus=1.0, start_seconds=2.5)
    backend = open_backend("bubblewrap", runtime_dir=home / "run")
    async with (
        backend.open(Tree((home / "base",)), limits),
        asyncio.timeout(PATIENCE),
    ):
        assert cpu_settings() == {"100000"}
        while cpu_settings() == {"100000"}:  # noqa: ASYNC110
            await asyncio.sleep(0.1)
        assert cpu_settings() == {"20000"}
