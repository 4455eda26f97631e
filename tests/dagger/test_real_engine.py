"""Dagger itself: the module, the CLI and the back end against a real engine.

Skipped, with the reason, without one.

    pytest -m dagger -rs tests/dagger

Where a stock engine cannot keep a promise, KNOWN says which and why; if it keeps it
after all, so much the better.
"""

import asyncio
import json
import os
import secrets
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from aideator.domain.errors import SandboxLost, SandboxUnavailable
from aideator.domain.run import RunStatus
from aideator.sandbox.base import Limits, Sandbox, SandboxBackend, Tree, sandbox_uid
from aideator.sandbox.dagger import cli
from aideator.sandbox.registry import open_backend
from aideator.testing.conformance import BEHAVIOURS, try_behaviour
from aideator.testing.conformance.context import Behaviour
from tests.actions import user
from tests.dagger.conftest import CHECKOUT

pytestmark = pytest.mark.dagger

KNOWN = {
    "directories_can_be_renamed": (
        "an engine's overlay answers EXDEV to rename(2) of a directory of an image"
    ),
    "gateway_is_the_only_way_out": (
        "a stock engine's network is open: docs/how-to/dagger.md closes it"
    ),
}
KEY = f"sk-ant-canary-{secrets.token_hex(16)}"
Program = tuple[Path, dict[str, str]]


@pytest.fixture(scope="session")
def program() -> Program:
    """The CLI and its environment, if an engine answers it."""
    try:
        found = cli.find(os.environ.get("DAGGER_CLI", "dagger"), os.environ.get("PATH"))
    except SandboxUnavailable as error:
        pytest.skip(f"{error}; {error.hint}")
    env = cli.environment(os.environ, os.environ.get(cli.RUNNER_HOST))
    said = subprocess.run(
        cli.version(found), env=env, capture_output=True, text=True, check=False
    ).stdout
    try:
        cli.check_version(said)
    except SandboxUnavailable as error:
        pytest.skip(str(error))
    asked = subprocess.run(
        cli.engine_version(found),
        env=env,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    if asked.returncode != 0:
        pytest.skip(f"no Dagger engine answers: {asked.stderr[-300:]}")
    return found, env


@pytest.fixture
def backend(program: Program, home: Path) -> SandboxBackend:
    return open_backend(
        "dagger",
        runtime_dir=home / "run",
        program=str(program[0]),
        runner_host=os.environ.get(cli.RUNNER_HOST),
        cache_volume="aideator-tests",
        server=os.environ,
    )


@pytest.fixture
def new_tree(home: Path) -> Callable[[], Tree]:
    """Make an empty tree over a base that all of them share."""
    base = home / "base"
    base.mkdir()
    (base / "file").write_text("base\n")

    def make() -> Tree:
        place = home / secrets.token_hex(4)
        for name in ("upper", "work"):
            (place / name).mkdir(parents=True)
            if (uid := sandbox_uid()) is not None:
                os.chown(place / name, uid, uid)
        return Tree((base,), place / "upper", place / "work")

    return make


@pytest.fixture
def scratch() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="aid-"))
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.mark.parametrize(
    "behaviour", BEHAVIOURS, ids=lambda behaviour: behaviour.__name__
)
async def test_a_real_engine_keeps_a_promise_or_is_known_not_to(
    behaviour: Behaviour, backend: SandboxBackend, home: Path
) -> None:
    outcome = await try_behaviour(behaviour, backend, home)
    if not outcome.ok and behaviour.__name__ in KNOWN:
        pytest.skip(f"known: {KNOWN[behaviour.__name__]}")
    assert outcome.ok, outcome.detail


async def test_every_event_comes_at_once(
    backend: SandboxBackend,
    new_tree: Callable[[], Tree],
    record_property: Callable[[str, object], None],
) -> None:
    """Each line is answered before the next is sent: buffering would hang this."""
    begun = time.monotonic()
    async with backend.open(new_tree(), Limits()) as sandbox:
        record_property("seconds until the sandbox is open", time.monotonic() - begun)
        process = await sandbox.spawn(
            ["sh", "-c", 'while read line; do echo "$line"; done']
        )
        took = []
        for number in range(50):
            asked = time.monotonic()
            process.stdin.write(b"%d\n" % number)
            assert (
                await asyncio.wait_for(process.stdout.readline(), 30)
                == b"%d\n" % number
            )
            took.append(time.monotonic() - asked)
        process.stdin.close()
        assert await asyncio.wait_for(process.wait(), 30) == 0
    record_property("first round trip, ms", took[0] * 1000)
    record_property("median round trip, ms", statistics.median(took) * 1000)


async def test_equal_variations_are_two_containers(
    backend: SandboxBackend, new_tree: Callable[[], Tree]
) -> None:
    async def identity(tree: Tree) -> bytes:
        async with backend.open(tree, Limits()) as sandbox:
            done = await sandbox.exec(
                ["sh", "-c", "ls; cat /proc/sys/kernel/random/uuid; touch mine"]
            )
            return done.stdout

    first, second = await identity(new_tree()), await identity(new_tree())
    assert first != second
    assert first.startswith(b"file\n")
    assert second.startswith(b"file\n")


async def test_exit_codes_come_through(
    backend: SandboxBackend, new_tree: Callable[[], Tree]
) -> None:
    async with backend.open(new_tree(), Limits()) as sandbox:
        for script, code in (
            ("exit 0", 0),
            ("exit 3", 3),
            ("exit 137", 137),
            ("kill -9 $$", 137),
        ):
            assert (await sandbox.exec(["sh", "-c", script])).exit_code == code
        assert (await sandbox.exec(["no-such-program"])).exit_code == 127


async def test_a_cancelled_sandbox_stops_working(
    backend: SandboxBackend, new_tree: Callable[[], Tree], home: Path
) -> None:
    beats = 0

    async def count(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal beats
        beats += 1
        writer.close()

    beat = (
        "import socket, sys, time\nwhile True:\n"
        " s = socket.create_connection(('127.0.0.1', int(sys.argv[1])))\n"
    )
    beat += " s.sendall(b'x'); s.close(); time.sleep(0.1)"

    async def use(sandbox: Sandbox) -> None:
        port = sandbox.gateway_url.rpartition(":")[2]
        await sandbox.exec(["python3", "-c", beat, port])

    async with await asyncio.start_unix_server(count, home / "gateway"):
        with suppress(TimeoutError):
            async with (
                asyncio.timeout(None) as limit,
                backend.open(new_tree(), Limits(), gateway=home / "gateway") as sandbox,
            ):
                limit.reschedule(asyncio.get_running_loop().time() + 5)
                await use(sandbox)
        assert beats > 0
        await asyncio.sleep(5)
        before = beats
        await asyncio.sleep(3)
        assert beats == before


async def test_eight_at_once(
    backend: SandboxBackend, new_tree: Callable[[], Tree]
) -> None:
    async def one(number: int, tree: Tree) -> bytes:
        async with backend.open(tree, Limits()) as sandbox:
            await sandbox.exec(["sh", "-c", f"echo {number} > mine"])
            return (await sandbox.exec(["cat", "mine"])).stdout

    trees = [new_tree() for _ in range(8)]
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(one(number, tree)) for number, tree in enumerate(trees)
        ]
    assert [task.result() for task in tasks] == [
        b"%d\n" % number for number in range(8)
    ]
    assert [(tree.upper / "mine").read_text() for tree in trees if tree.upper] == [
        f"{n}\n" for n in range(8)
    ]


async def test_a_run_gives_the_same_patch_as_in_bubblewrap(
    program: Program, home: Path, repo: Path
) -> None:
    told = {
        "dagger_cli": str(program[0]),
        "dagger_runner_host": os.environ.get(cli.RUNNER_HOST),
    }
    async with user(home, repo, "one_edit", **told) as me:
        contained = await me.asks_and_waits(sandbox="dagger")
        plain = await me.asks_and_waits(sandbox="bubblewrap", fresh=True)
        patches = [await me.app.patch(run.id, 1) for run in (contained, plain)]
    assert [run.status for run in (contained, plain)] == [RunStatus.FINISHED] * 2, (
        contained.variations[0].failure
    )
    assert patches[0] == patches[1]


async def test_the_record_says_what_holds(
    backend: SandboxBackend, new_tree: Callable[[], Tree]
) -> None:
    async with backend.open(new_tree(), Limits()) as sandbox:
        assert sandbox.isolation.network.startswith(("none", "open"))
        assert sandbox.isolation.limits["memory"].startswith("advisory")
        status = await sandbox.exec(
            ["grep", "-E", "NoNewPrivs|Seccomp:|CapEff|CapInh", "/proc/self/status"]
        )
    fields = dict(line.split(":\t") for line in status.stdout.decode().splitlines())
    assert fields == {
        "CapInh": "0" * 16,
        "CapEff": "0" * 16,
        "NoNewPrivs": "1",
        "Seccomp": "2",
    }


async def test_a_container_that_runs_out_of_memory_says_so(
    backend: SandboxBackend, new_tree: Callable[[], Tree]
) -> None:
    hog = (
        "import os, time\nfor _ in range(3): os.fork()\n"
        "x = bytearray(b'1') * (40 << 20)\ntime.sleep(600)"
    )
    async with backend.open(new_tree(), Limits(memory_bytes=128 * 2**20)) as sandbox:
        assert (
            await sandbox.exec(["python3", "-c", hog], timeout=120)
        ).exit_code == 137
        assert (await sandbox.exec(["echo", "fine"])).stdout == b"fine\n"


async def test_a_shim_that_is_killed_ends_its_own_sandbox(
    backend: SandboxBackend, new_tree: Callable[[], Tree]
) -> None:
    with pytest.raises(SandboxLost):
        async with backend.open(new_tree(), Limits()) as sandbox:
            process = await sandbox.spawn(["sh", "-c", "kill -9 -1; sleep 1000"])
            await process.wait()


def direct(
    program: Program, *arguments: str, **env: str
) -> subprocess.CompletedProcess[str]:
    """Call the module as a user does, from a checkout with its own platform."""
    found, environment = program
    return subprocess.run(
        [str(found), "--progress=logs", "call", f"--mod={CHECKOUT}", *arguments],
        env=environment | env,
        capture_output=True,
        text=True,
        check=False,
        timeout=1200,
    )


def test_a_check_by_hand_returns_json_and_is_never_replayed(
    program: Program, scratch: Path
) -> None:
    (scratch / "file").write_text("x")
    command = [
        "run-check",
        f"--source={scratch}",
        "--command=cat /proc/sys/kernel/random/uuid; exit 3",
    ]
    first, second = (json.loads(direct(program, *command).stdout) for _ in range(2))
    assert (first["exit_code"], second["exit_code"]) == (3, 3)
    assert first["output"] != second["output"]


def test_the_key_is_in_no_output_and_in_no_layer(
    program: Program, scratch: Path
) -> None:
    """The provider cannot be reached, so the agent fails; still it had a key."""
    arguments = [
        "stream-agent",
        "--repo-url=https://github.com/octocat/Hello-World",
        "--prompt=Look around and stop, please",
        "--variation-id=1",
        "--run-id=" + secrets.token_hex(8),
        "--anthropic-api-key=env:CANARY_KEY",
        "--base-url=http://127.0.0.1:9",
        "--seconds=120",
    ]
    told = direct(program, *arguments, "stdout", CANARY_KEY=KEY)
    if "github.com" in told.stderr and told.returncode != 0:
        pytest.skip("the engine cannot reach github.com")
    assert told.returncode == 0, told.stderr
    assert json.loads(told.stdout.splitlines()[-1])["error"]
    assert KEY not in told.stdout + told.stderr
    for place in ("run", "workspace", "home", "opt/aideator/platform"):
        out = scratch / place.replace("/", "-")
        exported = direct(
            program,
            *arguments,
            "directory",
            f"--path=/{place}",
            "export",
            f"--path={out}",
            CANARY_KEY=KEY,
        )
        assert exported.returncode == 0, exported.stderr
        for path in out.rglob("*"):
            if path.is_file() and not path.is_symlink():
                assert KEY.encode() not in path.read_bytes(), path
