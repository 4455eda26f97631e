"""Runs from the command line: what is printed for whom, and how they are stopped."""

import json
import signal
from pathlib import Path

import pytest

from aideator.client.remote import open_remote
from aideator.testing import scripted_model
from tests.actions import PROMPT, server
from tests.cli.conftest import FinishedRun
from tests.cli.processes import aideator, reads_until, run_id_in, start
from tests.conftest import git


@pytest.mark.slow
async def test_a_run_from_its_start_to_the_users_branch(
    home: Path, repo: Path, finished_run: FinishedRun
) -> None:
    lines, part = finished_run.ran.stdout.splitlines(), finished_run.part
    assert lines.count("[1] ▸ python3 -m unittest") == 1
    assert "1 or 2: equally proven (high confidence)." in lines
    assert any("1 comes first by its number alone." in line for line in lines)
    assert max(map(len, lines)) <= 80
    assert f"  aideator apply {part} 1" in lines

    shown = await aideator("show", part, "--json", home=finished_run.home)
    assert json.loads(shown.stdout)["ranking"]["recommended"] == 1
    patch = await aideator("diff", part, home=finished_run.home)
    assert patch.stdout.startswith("diff --git a/calc.py b/calc.py\n")
    assert "\x1b" not in patch.stdout
    (home / "a.patch").write_text(patch.stdout)
    git(repo, "apply", "--check", str(home / "a.patch"))


@pytest.mark.slow
async def test_a_winner_is_selected_and_applied_to_a_clean_tree(
    own_finished_run: FinishedRun,
) -> None:
    home, repo, part = (
        own_finished_run.home,
        own_finished_run.repo,
        own_finished_run.part,
    )
    first = await aideator("select", part, "2", "--reason", "reads better", home=home)
    again = await aideator("select", part, "2", home=home)
    other = await aideator("select", part, "1", home=home)
    back = await aideator("select", part, "2", home=home)
    codes = [done.returncode for done in (first, again, other, back)]
    assert codes == [0, 0, 0, 0]
    assert "Variation 1 is the winner" in other.stdout

    (repo / "calc.py").write_text("# dirty\n")
    dirty = await aideator("apply", part, home=home, cwd=repo)
    assert dirty.returncode == 1
    assert "next: " in dirty.stderr
    git(repo, "checkout", "-q", "calc.py")
    applied = await aideator("apply", part, home=home, cwd=repo)
    twice = await aideator("apply", part, home=home, cwd=repo)
    assert (applied.returncode, twice.returncode) == (0, 0)
    assert f"HEAD is on aideator/{part}-2 now" in applied.stdout
    assert "to go back: git switch main" in applied.stdout
    assert f"Branch aideator/{part}-2 has already the change" in twice.stdout

    watched = await aideator("watch", part, "--json", home=home)
    assert watched.returncode == 0
    assert json.loads(watched.stdout.splitlines()[-1])["body"] == {
        "kind": "complete",
        "status": "decided",
    }


@pytest.mark.slow
async def test_with_json_every_line_of_stdout_is_an_event(
    home: Path, repo: Path
) -> None:
    (home / "run.yaml").write_text(
        json.dumps({"repo_url": str(repo), "prompt": PROMPT, "variations": 1})
    )
    async with scripted_model("no_change") as model:
        ran = await aideator(
            "run", "--spec", "run.yaml", "--json", home=home, model=model.url
        )
    events = [json.loads(line) for line in ran.stdout.splitlines()]
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    assert (ran.returncode, ran.stderr) == (3, "")  # nothing to recommend


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_a_signal_stops_the_agents_and_keeps_the_run(
    home: Path, repo: Path, number: signal.Signals
) -> None:
    async with scripted_model("slow") as model:
        process = await start(
            "run", str(repo), PROMPT, "-n", "2", home=home, model=model.url
        )
        await reads_until(process, "[2] attempt 1 starts")
        process.send_signal(number)
        _, complaint = await process.communicate()
    assert process.returncode == 128 + number
    assert "Traceback" not in complaint.decode()
    assert "cancelled; the results so far are kept: aideator show" in complaint.decode()
    [run] = json.loads((await aideator("list", "--json", home=home)).stdout)
    assert run["status"] == "cancelled"
    assert not list((home / "state" / "forks").glob("*"))


@pytest.mark.slow
async def test_ctrl_c_twice_does_not_wait(home: Path, repo: Path) -> None:
    async with scripted_model("slow") as model:
        process = await start(
            "run", str(repo), PROMPT, "-n", "1", home=home, model=model.url
        )
        await reads_until(process, "[1] attempt 1 starts")
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGINT)
        _, complaint = await process.communicate()
    assert process.returncode == 130
    assert "Traceback" not in complaint.decode()


@pytest.mark.slow
async def test_a_reader_that_goes_away_stops_the_agents(home: Path, repo: Path) -> None:
    async with scripted_model("endless") as model:
        process = await start(
            "run", str(repo), PROMPT, "-n", "1", "--json", home=home, model=model.url
        )
        await reads_until(process, "variation_started")
        assert process.stdout is not None
        # asyncio has no other way to close the reading end of a pipe.
        process.stdout._transport.close()  # type: ignore[attr-defined]  # noqa: SLF001
        assert process.stderr is not None
        complaint = (await process.stderr.read()).decode()
        await process.wait()
    assert process.returncode == 128 + signal.SIGPIPE
    assert "stopping the agents" in complaint
    assert "Traceback" not in complaint
    [run] = json.loads((await aideator("list", "--json", home=home)).stdout)
    assert run["status"] == "cancelled"


@pytest.mark.slow
async def test_a_second_process_is_told_who_works_here_and_may_look(
    home: Path, repo: Path
) -> None:
    async with scripted_model("slow") as model:
        process = await start(
            "run", str(repo), PROMPT, "-n", "1", home=home, model=model.url
        )
        await reads_until(process, "[1] attempt 1 starts")
        second = await aideator("run", str(repo), PROMPT, home=home, model=model.url)
        listed = await aideator("list", "--json", home=home)
        process.send_signal(signal.SIGINT)
        await process.communicate()
    assert second.returncode == 1
    assert f"process {process.pid} works in" in second.stderr
    assert [run["status"] for run in json.loads(listed.stdout)] == ["running"]


@pytest.mark.slow
async def test_the_commands_find_the_server_that_works_in_the_same_state_directory(
    home: Path, repo: Path
) -> None:
    async with (
        scripted_model("three_ways") as model,
        server(home, model.url) as running,
    ):
        ran = await aideator(
            "run", str(repo), PROMPT, "-n", "1", home=home, model=model.url
        )
        assert ran.returncode == 0, ran.stderr
        assert ran.stderr == f"(through the server at {running.url})\n"
        (home / "elsewhere").mkdir()
        await uses_the_server_from_elsewhere(
            running.url, home / "elsewhere", repo, part=run_id_in(ran.stdout)[-8:]
        )


async def uses_the_server_from_elsewhere(
    url: str, home: Path, repo: Path, *, part: str
) -> None:
    """Use a server with one finished run, `part`, from another state directory."""
    told = ["--server", url]
    detached = await aideator(
        *("run", str(repo), PROMPT, "-n", "1", "--fresh", "--detach", *told), home=home
    )
    assert detached.returncode == 0, detached.stderr
    watched = await aideator("watch", detached.stdout.strip(), *told, home=home)
    assert watched.returncode == 0, watched.stderr
    listed = await aideator("list", "--json", *told, home=home)
    runs = [run["id"] for run in json.loads(listed.stdout)]
    assert len(runs) == 2
    assert await pages_of_one(url) == runs

    patch = await aideator("diff", part, "1", *told, home=home)
    assert "return a + b" in patch.stdout
    selected = await aideator("select", part, "1", *told, home=home)
    assert selected.returncode == 0
    cancelled = await aideator("cancel", part, *told, home=home)
    assert cancelled.stdout == f"run {part} is decided\n"
    applied = await aideator("apply", part, *told, home=home, cwd=repo)
    assert applied.returncode == 0, applied.stderr

    port = url.rpartition(":")[2]
    taken = await aideator("serve", "--port", port, home=home)
    assert taken.returncode == 1
    assert f"port {port} of 127.0.0.1 is taken" in taken.stderr


async def pages_of_one(url: str) -> list[str]:
    """Return the ids of a server's two latest runs, read page by page."""
    async with open_remote(
        url, prefix="/api/v1", header="X-API-Key", key=None
    ) as remote:
        newest = await remote.list(limit=1)
        older = await remote.list(limit=1, before=newest.next)
    return [run.id for run in (*newest.runs, *older.runs)]


async def test_keys_are_made_shown_once_and_revoked(home: Path) -> None:
    made = await aideator("key", "create", "ci", home=home)
    [secret] = made.stdout.split()
    [key] = json.loads((await aideator("key", "list", "--json", home=home)).stdout)
    assert (key["name"], key["revoked"]) == ("ci", False)
    assert secret.startswith(key["prefix"])
    assert len(key["prefix"]) < len(secret) / 2
    assert (await aideator("key", "revoke", key["id"], home=home)).returncode == 0
    listed = await aideator("key", "list", home=home)
    assert "revoked" in listed.stdout
    assert secret not in listed.stdout


async def test_doctor_and_gc_tell_what_there_is(home: Path) -> None:
    examined = await aideator("doctor", "--json", home=home)
    told = json.loads(examined.stdout)
    assert examined.returncode == (0 if told["ok"] else 1)
    assert {"git", "sqlite", "model", "state"} <= {
        finding["name"] for finding in told["findings"]
    }
    freed = await aideator("gc", "--max-mb", "0", home=home)
    assert (freed.returncode, freed.stdout) == (
        0,
        f"freed 0.0 MB in {home / 'state'}\n",
    )
