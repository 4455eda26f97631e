"""The Dagger back end: its use of the CLI, its failures, the supervisor's limits."""

import asyncio
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from aideator.domain.errors import (
    DiskLimitExceeded,
    EngineLost,
    SandboxLost,
    SandboxUnavailable,
)
from aideator.domain.isolation import Isolation, IsolationPolicy
from aideator.sandbox.base import Bind, Limits, Tree
from aideator.sandbox.dagger import cli
from aideator.sandbox.dagger.explain import record_of, why_closed
from aideator.sandbox.policy import shortfalls
from tests.conftest import PATIENCE
from tests.dagger.conftest import MakeBackend


def command_lines() -> dict[bytes, int]:
    """The command line of every process, with its id."""
    found = {}
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            found[path.read_bytes()] = int(path.parent.name)
    return found


@pytest.fixture
def tree(home: Path) -> Tree:
    for name in ("layer", "upper", "work"):
        (home / name).mkdir()
    return Tree((home / "layer",), home / "upper", home / "work")


def test_the_command_line_says_everything_and_nothing_secret() -> None:
    arguments: cli.Arguments = {
        "run_id": "r",
        "source": Path("/a b"),
        "files": [Path("/x"), Path("/y")],
        "image": "",
    }
    assert cli.call(
        Path("/bin/dagger"), Path("/module"), "sandbox", arguments, then="stdout"
    ) == [
        "/bin/dagger",
        "--progress=logs",
        "call",
        "--mod=/module",
        "sandbox",
        "--run-id=r",
        "--source=/a b",
        "--files=/x",
        "--files=/y",
        "--image=",
        "stdout",
    ]


@pytest.mark.parametrize(
    "path", ["/a,b", '/a"b', "/a'b", "/a`b", "/a\nb", "/a ", "relative"]
)
def test_a_path_that_the_cli_would_misread_is_refused(path: str) -> None:
    with pytest.raises(SandboxUnavailable, match="does not understand"):
        cli.call(Path("/bin/dagger"), Path(path), "sandbox", {}, then="stdout")


def test_the_cli_gets_what_it_needs_and_nothing_else() -> None:
    server = {
        "PATH": "/bin",
        "HOME": "/h",
        "DOCKER_HOST": "tcp://d",
        "ANTHROPIC_API_KEY": "secret",
        "CLAUDECODE": "1",
    }
    found = cli.environment(server, "tcp://engine:1234")
    assert found["_EXPERIMENTAL_DAGGER_RUNNER_HOST"] == "tcp://engine:1234"
    assert {"PATH", "HOME", "DOCKER_HOST"} <= set(found)
    assert not {
        "ANTHROPIC_API_KEY",
        "CLAUDECODE",
        "DAGGER_WORKDIR",
        "DAGGER_PROGRESS",
    } & set(found)


@pytest.mark.parametrize(
    ("said", "ok"),
    [
        ("dagger v0.21.8 (image://x) linux/amd64", True),
        ("dagger v0.21.11 ()", True),
        ("dagger v0.21.7 ()", False),
        ("dagger v0.22.0 ()", False),
        ("dagger v1.0.0-beta.13 ()", False),
        ("", False),
        ("zsh: command not found", False),
    ],
)
def test_only_known_versions_are_spoken_to(said: str, *, ok: bool) -> None:
    if ok:
        assert said.startswith(f"dagger v{cli.check_version(said)}")
    else:
        with pytest.raises(SandboxUnavailable, match="versions"):
            cli.check_version(said)


@pytest.mark.parametrize(
    ("told", "what"),
    [
        (
            "Error: start engine: Cannot connect to the Docker daemon "
            "at unix:///var/run/docker.sock",
            "no Dagger engine",
        ),
        (
            "failed to resolve source metadata for docker.io/library/no: not found",
            "image cannot be pulled",
        ),
        ("failed to serve module: ModuleLoadError: no", "module does not load"),
        (
            "rpc error: code = PermissionDenied desc = host access is disabled",
            "forward the socket",
        ),
        (
            "something else\nError: entirely\n",
            "no container could be opened: Error: entirely",
        ),
    ],
)
def test_a_failure_to_open_is_put_in_words(told: str, what: str) -> None:
    why, fix = why_closed(told)
    assert what in why
    assert fix


def test_the_record_is_the_last_line_that_is_one() -> None:
    assert record_of('noise\n{"code": 0}\n\nnot json') == {"code": 0}
    assert record_of("nothing") == {}


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("fault=no-engine", "no Dagger engine can be reached"),
        ("fault=no-module", "module does not load"),
        ("fault=socket", "forward the socket"),
        ("version=0.20.0", "not of the versions"),
    ],
)
async def test_what_is_missing_is_said_and_nothing_is_left(
    query: str, message: str, tree: Tree, home: Path, dagger: MakeBackend
) -> None:
    with pytest.raises(SandboxUnavailable, match=message) as refused:
        async with dagger(query).open(tree, Limits()):
            pass
    assert refused.value.hint
    assert list((home / "run").iterdir()) == []


async def test_a_missing_cli_and_a_missing_image_are_said(
    tree: Tree, dagger: MakeBackend
) -> None:
    for backend, message in (
        (dagger(program="/nowhere/dagger"), "no Dagger CLI"),
        (dagger(image="no:such"), "image cannot be pulled"),
    ):
        with pytest.raises(SandboxUnavailable, match=message):
            async with backend.open(tree, Limits()):
                pass


async def test_an_engine_that_never_answers_is_given_up(
    tree: Tree, dagger: MakeBackend
) -> None:
    with pytest.raises(SandboxUnavailable, match="no container within 2 s"):
        async with dagger("fault=hang", engine_timeout=2.0).open(tree, Limits()):
            pass


async def test_an_engine_that_dies_ends_the_sandbox_with_its_own_error(
    tree: Tree, tmp_path: Path, dagger: MakeBackend
) -> None:
    backend = dagger(runner_host=f"double://{tmp_path}?")
    with pytest.raises(EngineLost, match="engine was lost"):
        async with backend.open(tree, Limits()) as sandbox:
            process = await sandbox.spawn(["sleep", "1000"])
            (tmp_path / "die").touch()
            await process.wait()


async def test_a_killed_cli_is_an_engine_lost(tree: Tree, dagger: MakeBackend) -> None:
    with pytest.raises(EngineLost):
        async with dagger().open(tree, Limits()) as sandbox:
            process = await sandbox.spawn(["sleep", "1000"])
            for line, pid in command_lines().items():
                if (
                    b"tests.dagger.double" in line
                    and str(tree.layers[0]).encode() in line
                ):
                    os.kill(pid, signal.SIGKILL)
            await process.wait()


SERVER = """
import asyncio, os, sys
from pathlib import Path
from aideator.sandbox.base import Limits, Tree
from aideator.sandbox.registry import open_backend

async def serve(layer, home, program, engine):
    backend = open_backend(
        "dagger",
        runtime_dir=Path(home, "run"),
        program=program,
        runner_host=f"double://{engine}?",
        server=os.environ,
    )
    async with backend.open(Tree(layers=(Path(layer),)), Limits()) as sandbox:
        await sandbox.spawn(["sleep", "86543.25"])
        print("open", flush=True)
        await asyncio.Event().wait()

asyncio.run(serve(*sys.argv[1:]))
"""


async def test_a_server_that_is_killed_takes_its_containers_along(
    tree: Tree, home: Path, double: Path, engine: Path
) -> None:
    arguments = [str(tree.layers[0]), str(home), str(double), str(engine)]
    server = await asyncio.create_subprocess_exec(
        sys.executable, "-c", SERVER, *arguments, stdout=asyncio.subprocess.PIPE
    )
    assert server.stdout is not None
    assert await server.stdout.readline() == b"open\n"
    assert any(b"86543.25" in line for line in command_lines())
    server.kill()
    await server.wait()
    async with asyncio.timeout(PATIENCE):
        while any(  # noqa: ASYNC110
            b"86543.25" in line or arguments[0].encode() in line
            for line in command_lines()
        ):
            await asyncio.sleep(0.05)


async def test_cancelling_leaves_neither_process_nor_directory(
    tree: Tree, home: Path, dagger: MakeBackend
) -> None:
    backend = dagger()

    async def use() -> None:
        async with backend.open(tree, Limits()) as sandbox:
            running.set()
            await sandbox.exec(["sleep", "98764.5"])

    running = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        task = group.create_task(use())
        await running.wait()
        task.cancel()
    assert list((home / "run").iterdir()) == []
    assert not any(b"98764.5" in line for line in command_lines())


async def test_a_stale_server_directory_and_a_full_upper_are_refused(
    tree: Tree, dagger: MakeBackend
) -> None:
    assert tree.upper is not None
    (tree.upper / "left").touch()
    with pytest.raises(SandboxUnavailable, match="empty upper"):
        async with dagger().open(tree, Limits()):
            pass


async def test_a_bind_that_does_not_exist_is_named(
    tree: Tree, home: Path, dagger: MakeBackend
) -> None:
    with pytest.raises(SandboxUnavailable, match="nowhere"):
        async with dagger().open(
            tree, Limits(), binds=[Bind(home / "nowhere", "/opt/x")]
        ):
            pass


async def test_memory_is_held_by_the_supervisor_for_all_processes_together(
    tree: Tree, dagger: MakeBackend
) -> None:
    hog = (
        "import os, time\nfor _ in range(3): os.fork()\n"
        "x = bytearray(b'1') * (40 << 20)\ntime.sleep(600)"
    )
    async with dagger().open(tree, Limits(memory_bytes=128 * 2**20)) as sandbox:
        assert (await sandbox.exec(["python3", "-c", hog], timeout=60)).exit_code == 137
        assert (await sandbox.exec(["echo", "fine"])).stdout == b"fine\n"


async def test_processors_are_shared_out_by_the_supervisor(
    tree: Tree, dagger: MakeBackend
) -> None:
    burn = (
        "import time\nt = time.time()\nwhile time.time() - t < 5: pass\n"
        "print(time.process_time())"
    )
    async with dagger().open(tree, Limits(cpus=0.3, start_cpus=0.3)) as sandbox:
        used = float((await sandbox.exec(["python3", "-c", burn], timeout=60)).stdout)
    assert (
        used < 4
    )  # of five seconds; an unhindered loop on a busy machine may use less, never more


async def test_the_disk_limit_names_itself(tree: Tree, dagger: MakeBackend) -> None:
    async with dagger().open(tree, Limits(disk_bytes=8 * 2**20)) as sandbox:
        process = await sandbox.spawn(
            [
                "sh",
                "-c",
                "i=0; while :; do i=$((i+1)); head -c 1000000 /dev/zero > f$i; done",
            ]
        )
        with pytest.raises(DiskLimitExceeded):
            await process.wait()


async def test_a_process_that_kills_the_shim_ends_its_own_sandbox(
    tree: Tree, dagger: MakeBackend
) -> None:
    with pytest.raises(SandboxLost, match="first process ended"):
        async with dagger().open(tree, Limits()) as sandbox:
            process = await sandbox.spawn(["sh", "-c", "kill -9 -1; sleep 1000"])
            await process.wait()


async def test_two_sandboxes_that_differ_in_nothing_but_their_run_are_two_containers(
    dagger: MakeBackend, home: Path
) -> None:
    (home / "base").mkdir()
    for name in ("one", "two"):
        for kind in ("upper", "work"):
            (home / f"{kind}-{name}").mkdir()
        same = Tree((home / "base",), home / f"upper-{name}", home / f"work-{name}")
        async with dagger().open(
            same, Limits()
        ) as sandbox:  # a container from the cache would never connect
            assert (await sandbox.exec(["ls"])).stdout == b""
            await sandbox.exec(["touch", "mine"])


async def test_the_workdir_may_lie_elsewhere(tree: Tree, dagger: MakeBackend) -> None:
    (tree.layers[0] / "file").write_text("found\n")
    async with dagger(workdir="/srv/code").open(tree, Limits()) as sandbox:
        done = await sandbox.exec(
            ["sh", "-c", "cat /srv/code/file /workspace/file; pwd -P"]
        )
        assert done.stdout == b"found\nfound\n/srv/code\n"


async def test_the_check_tells_what_works_and_what_does_not(
    dagger: MakeBackend, home: Path
) -> None:
    open_network = {
        finding.name: finding for finding in await dagger("network=open").check()
    }
    assert open_network["sandbox"].ok, open_network
    assert {
        "dagger",
        "dagger engine",
        "dagger module",
        "network",
        "memory limit",
        "cpu limit",
    } <= set(open_network)
    assert not open_network["network"].ok
    assert "dagger.md" in open_network["network"].fix
    assert {finding.name: finding.ok for finding in await dagger().check()}["network"]
    for query, name in (
        ("version=0.1.0", "dagger"),
        ("fault=no-engine", "dagger engine"),
        ("fault=no-module", "dagger module"),
    ):
        *_, last = await dagger(query).check()
        assert (last.name, last.ok, last.fatal, bool(last.fix)) == (
            name,
            False,
            True,
            True,
        )
    assert list((home / "run").iterdir()) == []


KERNEL = {"memory": "cgroup v2", "cpu": "cgroup v2", "pids": "rlimit"}


@pytest.mark.parametrize(
    ("network", "limits", "refused_by"),
    [
        ("gateway only", KERNEL, set()),
        ("open (internet)", KERNEL, {IsolationPolicy.CLOSED, IsolationPolicy.ENFORCED}),
        (
            "gateway only",
            KERNEL | {"memory": "advisory (supervisor)"},
            {IsolationPolicy.ENFORCED},
        ),
        ("none", {}, {IsolationPolicy.ENFORCED}),
        ("unknown", KERNEL, {IsolationPolicy.CLOSED, IsolationPolicy.ENFORCED}),
    ],
)
def test_each_policy_asks_for_what_the_one_before_asks_and_more(
    network: str, limits: dict[str, str], refused_by: set[IsolationPolicy]
) -> None:
    isolation = Isolation(backend="x", network=network, limits=limits)
    assert {
        policy for policy in IsolationPolicy if shortfalls(isolation, policy)
    } == refused_by
