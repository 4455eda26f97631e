"""One server per user: commands start it, share it, and leave nothing behind."""

import asyncio
import json
import os
import signal
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from aideator.client.local import connect, stop
from aideator.store.home import owner
from aideator.testing import scripted_model
from tests.actions import PROMPT, command
from tests.cli.processes import (
    aideator,
    reads_until,
    start,
    start_in_terminal,
)
from tests.conftest import PATIENCE, comes_true, make_repo

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="becomes another user")


@pytest.fixture
async def home_with_server(home: Path) -> AsyncIterator[Path]:
    """A state directory whose server, if a test started one, is ended."""
    yield home
    present = owner(home / "state")
    if present is not None:
        await asyncio.to_thread(stop, present, if_idle=False)


async def listed(home: Path, **more: Any) -> list[dict[str, Any]]:
    """Return what `aideator list` tells."""
    done = await aideator("list", "--json", home=home, **more)
    assert done.returncode == 0, done.stderr
    runs: list[dict[str, Any]] = json.loads(done.stdout)
    return runs


async def works(home: Path, model: str) -> None:
    """Wait until a run is at work."""
    async with asyncio.timeout(PATIENCE):
        while (await listed(home, model=model))[0]["status"] != "running":
            pass


def test_without_a_terminal_the_server_ends_with_its_command(home: Path) -> None:
    assert command("list", home=home).returncode == 0
    assert owner(home / "state") is None
    log = home / "state" / "server.log"
    assert log.stat().st_mode & 0o777 == 0o600
    assert command("server", "status", home=home).returncode == 1


async def test_in_a_terminal_the_server_goes_on_and_is_shared(
    home_with_server: Path,
) -> None:
    home = home_with_server
    first = await start_in_terminal("list", home=home, model="http://127.0.0.1:9")
    await first.shows("No runs yet")
    assert await first.process.wait() == 0
    status = json.loads(command("server", "status", "--json", home=home).stdout)
    assert not status["is_service"]
    assert not status["working"]
    same = {"ANTHROPIC_BASE_URL": "http://127.0.0.1:9"}
    assert command("list", home=home, env=same).returncode == 0
    again = json.loads(command("server", "status", "--json", home=home).stdout)
    assert again["pid"] == status["pid"]

    other = {"ANTHROPIC_BASE_URL": "http://127.0.0.1:10"}
    assert command("list", home=home, env=other).stderr == ""
    assert owner(home / "state") is None, "replaced by one that ended with its command"


async def test_a_server_ends_by_itself_when_nobody_needs_it(
    home_with_server: Path,
) -> None:
    home = home_with_server
    first = await start_in_terminal(
        "list", home=home, model="http://127.0.0.1:9", SERVER_IDLE_TIMEOUT="0.5"
    )
    assert await first.process.wait() == 0
    await comes_true(lambda: owner(home / "state") is None)


@pytest.mark.slow
async def test_two_commands_share_one_server_and_both_runs_end(
    home: Path, repo: Path
) -> None:
    (home / "second").mkdir()
    other = make_repo(home / "second")
    async with scripted_model("no_change") as model, asyncio.TaskGroup() as group:
        both = [
            group.create_task(
                aideator(
                    "run", str(each), PROMPT, "-n", "1", home=home, model=model.url
                )
            )
            for each in (repo, other)
        ]
    done = [task.result() for task in both]
    assert [each.returncode for each in done] == [3, 3], [e.stderr for e in done]
    await comes_true(lambda: owner(home / "state") is None)


async def test_a_command_between_two_requests_keeps_the_server_of_another(
    home: Path,
) -> None:
    variables = os.environ | {"AIDEATOR_HOME": str(home / "state")}
    first = await asyncio.to_thread(connect, variables, stays=False)
    second = await asyncio.to_thread(connect, variables, stays=False)
    assert second.present == first.present
    async with asyncio.TaskGroup() as group:
        # It waits for the server's end, which the second command puts off.
        group.create_task(asyncio.to_thread(first.close))
        await asyncio.sleep(1)
        assert second.request("GET", "/runs")["runs"] == []
        await asyncio.to_thread(second.close)
    await comes_true(lambda: owner(home / "state") is None)


@pytest.mark.slow
async def test_a_killed_command_leaves_an_interrupted_run_that_nobody_pays_for(
    home: Path, repo: Path
) -> None:
    async with scripted_model("slow") as model:
        process = await start(
            "run", str(repo), PROMPT, "-n", "1", home=home, model=model.url
        )
        await reads_until(process, "[1] attempt 1 starts")
        process.kill()
        await process.wait()
        [run] = await listed(home, model=model.url)
        assert run["status"] == "interrupted"
        told = await aideator("list", home=home, model=model.url)
        short = run["id"][-8:]
        assert f"{short} was interrupted: aideator resume {short}" in told.stdout
        part = await aideator("cancel", short, "1", home=home, model=model.url)
        assert "was interrupted" in part.stderr
        ended = await aideator("cancel", short, home=home, model=model.url)
        assert ended.stdout == f"run {short} is cancelled\n"
        shown = json.loads((await aideator("show", short, "--json", home=home)).stdout)
    assert shown["variations"][0]["attempt"] == 1, "nothing began again"


@pytest.mark.slow
async def test_an_interrupted_run_is_resumed_to_its_end(home: Path, repo: Path) -> None:
    async with scripted_model("slow") as model:
        process = await start(
            "run", str(repo), PROMPT, "-n", "1", home=home, model=model.url
        )
        await reads_until(process, "[1] attempt 1 starts")
        process.kill()
        await process.wait()
        [run] = await listed(home, model=model.url)
    async with scripted_model("no_change") as model:
        resumed = await aideator("resume", run["id"], home=home, model=model.url)
        again = await aideator("resume", run["id"], home=home, model=model.url)
    assert resumed.returncode == 3, resumed.stderr
    assert "[1] attempt 2 starts" in resumed.stdout
    assert "only an interrupted run can be resumed" in again.stderr


@pytest.mark.slow
async def test_a_closed_terminal_leaves_the_run_working(
    home_with_server: Path, repo: Path
) -> None:
    home = home_with_server
    async with scripted_model("slow") as model:
        opened = await start_in_terminal(
            "run", str(repo), PROMPT, "-n", "1", home=home, model=model.url
        )
        await opened.shows("page: ")
        await works(home, model.url)
        opened.close()
        await opened.process.wait()
        told = await aideator("list", home=home, model=model.url)
        [run] = await listed(home, model=model.url)
        assert run["status"] == "running"
        assert f"works in the server: aideator watch {run['id'][-8:]}" in told.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    ("key", "status"), [("s", "cancelled"), ("l", "running"), ("\x03", "cancelled")]
)
async def test_ctrl_c_asks_what_becomes_of_the_run(
    home_with_server: Path, repo: Path, key: str, status: str
) -> None:
    home = home_with_server
    async with scripted_model("slow") as model:
        opened = await start_in_terminal(
            "run", str(repo), PROMPT, "-n", "1", home=home, model=model.url
        )
        await opened.shows("page: ")
        await works(home, model.url)
        opened.process.send_signal(signal.SIGINT)
        await opened.shows("leave it working")
        if key == "\x03":
            opened.process.send_signal(signal.SIGINT)
        else:
            opened.types(f"x\n{key}\n")
        await opened.shows("aideator " + ("watch" if key == "l" else "show"))
        assert await opened.process.wait() == 130
        [run] = await listed(home, model=model.url)
        assert run["status"] == status


@pytest.mark.slow
async def test_a_server_at_work_says_in_what_it_differs(
    home_with_server: Path, repo: Path
) -> None:
    home = home_with_server
    async with scripted_model("slow") as model:
        ran = await aideator(
            *("run", str(repo), PROMPT, "-n", "1", "--detach"),
            home=home,
            model=model.url,
        )
        assert ran.returncode == 0, ran.stderr
        assert ran.stderr.startswith("http://127.0.0.1:")
        other = {"MAX_VARIATIONS": "7"}
        told = await aideator("list", home=home, model=model.url, env=other)
        assert "differs from this command: MAX_VARIATIONS" in told.stderr
        refused = await aideator("server", "stop", home=home, model=model.url)
        assert refused.returncode == 1
        assert "--force" in refused.stderr
        forced = await aideator("server", "stop", "--force", home=home, model=model.url)
        assert forced.returncode == 0, forced.stderr
        [run] = await listed(home, model=model.url)
        assert run["id"] == ran.stdout.strip()
        assert run["status"] == "interrupted"


def test_of_an_env_file_the_server_takes_settings_only(home: Path) -> None:
    trace = home / "ran"
    (home / "evil").mkdir()
    (home / "evil" / "sitecustomize.py").write_text(f"open({str(trace)!r}, 'w')")
    (home / ".env").write_text(f"PYTHONPATH={home / 'evil'}\nMAX_VARIATIONS=many\n")
    done = command("list", home=home)
    assert done.returncode == 2
    assert "MAX_VARIATIONS: " in done.stderr
    assert not trace.exists()


@needs_root
async def test_another_user_is_not_answered_on_the_socket(
    home_with_server: Path,
) -> None:
    home = home_with_server
    first = await start_in_terminal("list", home=home, model="http://127.0.0.1:9")
    await first.process.wait()
    present = owner(home / "state")
    assert present is not None
    assert present.socket is not None
    for folder in (Path(present.socket), *Path(present.socket).parents):
        if folder.is_relative_to(home):
            folder.chmod(0o777)  # as if every mode were wrong
    answer = await asyncio.to_thread(_ask_as, 65534, present.socket)
    assert b" 401 " in answer.partition(b"\r\n")[0]


def _ask_as(uid: int, path: str) -> bytes:
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:  # pragma: no cover - another process
        os.setuid(uid)
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(path)
            client.sendall(
                b"GET /api/v1/runs HTTP/1.1\r\nHost: localhost\r\n"
                b"Connection: close\r\n\r\n"
            )
            os.write(writing, client.recv(4096))
        os._exit(0)
    os.close(writing)
    os.waitpid(child, 0)
    with os.fdopen(reading, "rb") as answer:
        return answer.read()
