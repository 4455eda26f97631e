"""Terminals in a variation's sandbox: while its agent works, and afterwards."""

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from pathlib import Path

import pytest

from aideator.archive.transfer import import_run
from aideator.workbench import terminal as terminals
from aideator.workbench.service import workbench_of
from aideator.workbench.terminal import Printed
from tests.actions import PROMPT
from tests.conftest import comes_true, git
from tests.workbench.person import (
    AT_WORK,
    Person,
    Terminal,
    person,
    running,
)

NOTE = "a person opened a terminal in this sandbox while the agent worked"


@pytest.fixture(scope="module")
def ground() -> Iterator[Path]:
    """A state directory with a repository, for a whole module."""
    home = Path(tempfile.mkdtemp(prefix="aid-"))
    home.chmod(0o711)
    repo = home / "user-repo"
    repo.mkdir()
    (repo / "calc.py").write_text("def add(a, b):\n    return a - b\n")
    git(repo, "init", "-q", "-b", "main")
    git(repo, "add", ".")
    git(repo, "commit", "-q", "-m", "A calculator that cannot add")
    yield home
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="module")
async def one(ground: Path) -> AsyncIterator[Person]:
    """A person with a finished run, for all tests that leave it as it is."""
    async with person(ground, ground / "user-repo") as looking:
        yield looking


async def test_a_copy_shows_the_change_and_what_is_done_there_stays_there(
    one: Person,
) -> None:
    before = await one.client.get(f"{one.path}/patch")
    events = await one.me.hears(one.run_id)
    shell = await one.opens()
    assert (await one.looks())["place"] == shell.told["place"] == "copy"
    await shell.types(
        "git diff --stat | cat; rm calc.py; echo mine > new; echo to''uched\r"
    )
    assert b"1 insertion(+), 1 deletion(-)" in await shell.reads(b"touched\r\n")
    other = await one.runs("cat new; ls")
    assert other == "mine\nnew\n"  # all that is open at one variation shares its copy
    await shell.types("exit 7\r")
    assert await shell.ends() == {"exit_code": 7, "reason": "it has ended"}
    await one.waits_until_nothing_is_open()
    assert await one.runs("cat calc.py") == "def add(a, b):\n    return a + b\n"
    assert (await one.client.get(f"{one.path}/patch")).content == before.content
    assert await one.me.hears(one.run_id) == events
    details = await one.me.app.get(one.run_id)
    assert details.variations[0].verdict is not None
    assert NOTE not in details.variations[0].verdict.notes


async def test_a_copy_has_no_way_out_and_the_agents_limits(one: Person) -> None:
    tried = (
        "python3 -c \"import socket; socket.create_connection(('1.1.1.1', 80), 5)\" "
        "2>&1 | tail -1"
    )
    assert "unreachable" in await one.runs(tried)
    assert "limit exceeded" in await one.runs(
        "head -c 3000000000 /dev/zero > big 2> /tmp/why; tail -1 /tmp/why"
    )


async def test_a_shell_is_a_real_one(one: Person) -> None:
    shell = await one.opens(rows=33, cols=101)
    assert b"variation 1:/workspace$ " in await shell.reads(b"$ ")
    await shell.types("stty size; echo $TERM\r")
    await shell.reads(b"33 101\r\nxterm-256color\r\n")
    answer = await one.client.post(f"{shell.path}/size", json={"rows": 44, "cols": 111})
    assert answer.status_code == 204
    await shell.types("stty size\r")
    await shell.reads(b"44 111\r\n")
    assert [
        told["rows"]
        for told in (await one.looks())["terminals"]
        if told["id"] == shell.told["id"]
    ] == [44]
    await shell.types("echo rea''dy; cat\r")
    await shell.reads(b"ready\r\n")
    await shell.types("are you there\n")
    assert (await shell.reads(b"there\r\nare you there\r\n")).count(
        b"are you there"
    ) == 2  # typed, and from cat
    await shell.types("\x03")
    await shell.reads(
        b"^C\r\n\x1b[?2004h"
    )  # what is typed before the shell has it all again is dropped by it
    await shell.types("echo $?\r")
    await shell.reads(b"130\r\n")
    await shell.closes()


async def test_a_full_screen_program_works(one: Person) -> None:
    pager = await one.opens("seq 1 500 | less", rows=10, cols=40)
    first = await pager.reads(b"\r\n9\r\n")
    assert b"\r\n10" not in first
    await pager.types("G")
    await pager.reads(b"500\r\n")
    await pager.types("q")
    assert (await pager.ends())["exit_code"] == 0


async def test_a_reader_that_comes_back_goes_on_where_it_stood(one: Person) -> None:
    counting = await one.opens(
        "stty -onlcr; for i in $(seq 1 400); do echo line $i; [ $((i % 40)) = 0 ] && "
        "sleep 0.1; done"
    )
    for seen in (b"line 20\n", b"line 111\n", b"line 300\n"):
        await counting.reads(seen)
    assert (await counting.ends())["exit_code"] == 0
    assert counting.shown == b"".join(b"line %d\n" % number for number in range(1, 401))
    assert counting.gaps == []
    again = await one.client.get(
        f"{counting.path}/stream", headers={"Last-Event-ID": str(counting.at)}
    )
    assert "event: exit" in again.text
    assert "event: output" not in again.text
    wrong = await one.client.get(
        f"{counting.path}/stream", headers={"Last-Event-ID": "x"}
    )
    assert wrong.status_code == 400


async def test_a_reader_that_keeps_up_loses_nothing_of_a_large_output(
    one: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(terminals, "PATIENCE", 120.0)  # on a busy machine, too
    large = await one.opens("stty -onlcr; seq 1 300000")
    await large.ends()
    assert large.gaps == []
    whole = b"".join(b"%d\n" % number for number in range(1, 300_001))
    # Without pytest's comparison line by line, which would take hours.
    is_whole = large.shown == whole
    assert is_whole


async def test_a_slow_reader_is_waited_for_and_one_that_stands_still_is_not(
    one: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers = await one.opens("stty -onlcr; seq 1 300000")
    read = b""
    async with aclosing(
        workbench_of(one.me.app).terminal(numbers.told["id"]).follow()
    ) as said:
        async for each in said:
            if isinstance(each, Printed):
                assert each.at == len(read)
                read += each.data
                await asyncio.sleep(0.02)  # half as fast as a terminal is read at most
    assert read.endswith(b"\n300000\n")
    monkeypatch.setattr(terminals, "PATIENCE", 0.2)
    again = await one.opens("stty -onlcr; seq 1 300000")
    live = workbench_of(one.me.app).terminal(again.told["id"])
    async with aclosing(live.follow()) as said:
        first = await anext(said)
        await comes_true(lambda: live.has_ended)  # though this reader did nothing
        then = await anext(said)
    assert isinstance(first, Printed)
    assert isinstance(then, Printed)
    assert then.at > first.end


async def test_a_flood_that_nobody_reads_takes_little_memory_and_can_be_stopped(
    one: Person,
) -> None:
    flood = await one.opens("trap 'echo stopped; exit 5' INT; echo $$; yes")
    live = workbench_of(one.me.app).terminal(flood.told["id"])
    # So much was printed, and is not kept.
    await comes_true(lambda: live._start >= 10**6)  # noqa: SLF001
    assert len(live._kept) <= 256 * 2**10  # noqa: SLF001
    await flood.types("\x03")
    assert (await flood.ends())["exit_code"] == 5
    assert flood.shown.endswith(b"stopped\r\n")
    # The reader came late, and can tell.
    assert flood.gaps[0][1] > 10**6 - 256 * 2**10


async def test_a_line_without_end_is_no_burden(one: Person) -> None:
    line = await one.opens("head -c 60000000 /dev/zero | tr '\\0' x; echo; echo done")
    live = workbench_of(one.me.app).terminal(line.told["id"])
    await comes_true(lambda: live.has_ended)
    await line.ends()
    assert line.shown.endswith(b"x\r\ndone\r\n")
    assert len(line.shown) <= 256 * 2**10


async def test_closing_ends_every_process_of_the_terminal_and_then_the_copy(
    one: Person,
) -> None:
    mark = f"sleep 1{os.getpid():07d}"
    shell = await one.opens(
        f"set -m; trap '' HUP; {mark} & setsid {mark} & echo go; {mark}"
    )
    await shell.reads(b"go\r\n")
    assert running(mark)
    await shell.closes()
    await one.waits_until_nothing_is_open()
    assert not running(mark)
    assert (await one.client.get(f"{shell.path}/stream")).status_code == 404


async def test_a_child_that_keeps_the_terminal_open_does_not_keep_it_from_ending(
    one: Person,
) -> None:
    assert await one.runs("trap '' HUP; sleep 1000 & echo done") == "done\n"


async def test_input_that_nothing_reads_is_refused_in_the_end(one: Person) -> None:
    deaf = await one.opens("stty raw -echo; echo ready; sleep 1000")
    await deaf.reads(b"ready")
    for _ in range(100):
        answer = await one.client.post(
            f"{deaf.path}/input", json={"keys": "x" * 65_536}
        )
        if answer.status_code != 204:
            break
    assert answer.status_code == 429
    assert "no process in the terminal reads" in answer.json()["detail"]
    await deaf.closes()


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("input", {"keys": "x" * 65_537}),
        ("input", {}),
        ("size", {"rows": 0, "cols": 80}),
        ("size", {"rows": 24, "cols": 1001}),
    ],
)
async def test_what_is_out_of_bounds_is_refused(
    one: Person, path: str, body: dict[str, object]
) -> None:
    shell = await one.opens()
    assert (await one.client.post(f"{shell.path}/{path}", json=body)).status_code == 422
    await shell.closes()


async def test_what_is_not_there_is_not_found(one: Person) -> None:
    for method, path in (
        ("GET", "/terminals/nobody/stream"),
        ("POST", "/terminals/nobody/input"),
        ("POST", "/terminals/nobody/size"),
        ("DELETE", "/terminals/nobody"),
        ("DELETE", "/previews/nobody"),
        ("GET", f"/runs/{one.run_id}/variations/9/terminals"),
        ("POST", f"/runs/{one.run_id}/variations/9/terminals"),
        ("POST", "/runs/01a20273-0000-7000-8000-000000000000/variations/1/terminals"),
    ):
        answer = await one.client.request(
            method, path, json={"keys": ""} if path.endswith("input") else {}
        )
        assert answer.status_code == 404, (method, path, answer.text)


async def test_an_ended_terminal_takes_nothing_more_and_is_listed_with_its_end(
    one: Person,
) -> None:
    ended = await one.opens("exit 3")
    await ended.ends()
    answer = await one.client.post(f"{ended.path}/input", json={"keys": "ls\r"})
    assert (answer.status_code, answer.json()["detail"]) == (
        409,
        "the terminal has ended",
    )
    listed = {
        told["id"]: told["exit_code"] for told in (await one.looks())["terminals"]
    }
    assert listed[ended.told["id"]] == 3
    await ended.closes()
    assert ended.told["id"] not in [
        told["id"] for told in (await one.looks())["terminals"]
    ]


async def test_so_many_terminals_may_be_open_at_one_variation(one: Person) -> None:
    wish = {"command": "sleep 1000"}
    async with asyncio.TaskGroup() as tasks:
        many = [
            tasks.create_task(one.client.post(f"{one.path}/terminals", json=wish))
            for _ in range(20)
        ]
    answers = [task.result() for task in many]
    opened = [
        Terminal(one.client, answer.json())
        for answer in answers
        if answer.status_code == 201
    ]
    assert 0 < len(opened) <= 8
    while len(opened) < 8:
        opened.append(await one.opens("sleep 1000"))
    answers.append(await one.client.post(f"{one.path}/terminals", json=wish))
    assert answers[-1].status_code == 429
    assert {
        answer.json()["hint"] for answer in answers if answer.status_code == 429
    } == {"close one"}
    for terminal in opened:
        await terminal.closes()


async def test_an_agent_at_work_is_visited_in_its_own_sandbox_and_the_verdict_says_so(
    home: Path, repo: Path
) -> None:
    async with person(home, repo, AT_WORK, finished=False) as one:
        shell = await one.opens(cols=200)
        assert shell.told["place"] == "agent"
        await shell.types(
            "until [ -e begun ]; do sleep 0.05; done; cat calc.py; echo from a person "
            "> visit; touch go\r"
        )
        assert (await shell.ends())["reason"] == "the agent's turn has ended"
        assert b"return a - b" in shell.shown
        done = await one.me.waits(one.run_id)
        verdict = done.variations[0].verdict
        assert verdict is not None
        assert verdict.notes == (NOTE,)
        assert set(verdict.paths) == {
            "calc.py",
            "visit",
        }  # what was done there is part of the change
        assert await one.runs("cat visit") == "from a person\n"
        # A follow-up grows from a change that is not the agent's alone, so it keeps the
        # note.
        await one.me.app.prompt(one.run_id, 1, "Say once more that you are done")
        await one.finds("agent")
        await one.runs("touch go")
        again = (await one.me.waits(one.run_id)).variations[0]
        assert again.attempt == 2
        assert again.verdict is not None
        assert again.verdict.notes == (NOTE,)


async def test_where_nobody_can_be_let_in_it_is_said_why(
    home: Path, repo: Path
) -> None:
    slow = {
        "lanes": {
            "default": [
                {"calls": [{"bash": {"command": "sleep 1000"}}]},
                {"say": "Done."},
            ]
        }
    }
    async with person(
        home, repo, slow, finished=False, max_parallel_variations=1
    ) as one:
        waiting = await one.me.asks(checks=[])
        here = f"/runs/{waiting.id}/variations/1/terminals"
        told = (await one.client.get(here)).json()
        assert (told["place"], told["reason"]) == (
            None,
            "variation 1 waits for its turn; wait until its agent works",
        )
        refused = await one.client.post(here, json={})
        assert (refused.status_code, refused.json()["hint"]) == (
            409,
            "wait until its agent works",
        )
        await one.me.app.cancel(waiting.id)
        assert (
            "cancelled and left no change"
            in (await one.client.post(here, json={})).json()["detail"]
        )


async def test_an_imported_run_is_not_entered(
    one: Person, home: Path, repo: Path
) -> None:
    exported = await one.client.get(f"/runs/{one.run_id}/export")
    (home / "elsewhere").mkdir(mode=0o711)
    async with person(home / "elsewhere", repo) as other:
        await import_run(other.me.app, exported.content)
        answer = await other.client.post(
            f"/runs/{one.run_id}/variations/1/terminals", json={}
        )
        assert answer.status_code == 409
        assert "imported" in answer.json()["detail"]


async def test_copies_are_few_and_close_when_nobody_uses_them(
    home: Path, repo: Path
) -> None:
    async with person(home, repo, max_workbenches=1, workbench_idle_timeout=1.0) as one:
        forgotten = await one.opens("sleep 1000")
        other = await one.me.asks_and_waits(PROMPT, checks=[], fresh=True)
        busy = await one.client.post(
            f"/runs/{other.id}/variations/1/terminals", json={}
        )
        if busy.status_code == 429:  # unless it has closed already
            assert "MAX_WORKBENCHES" in busy.json()["detail"]
        assert (await forgotten.ends())["reason"].startswith("it was not used for")
        await one.waits_until_nothing_is_open()


async def test_a_server_that_stops_is_not_held_up_by_a_terminal(
    home: Path, repo: Path
) -> None:
    async with person(home, repo) as one:
        shell = await one.opens("yes slowly; sleep 1000")
        async with asyncio.TaskGroup() as tasks:
            reading = tasks.create_task(shell.reads())
            await asyncio.sleep(0.1)
            one.server.stop()
            await reading
        assert shell.ended is None  # nobody knows how it would have ended
        await one.waits_until_nothing_is_open()


async def test_no_key_no_terminal(home: Path, repo: Path) -> None:
    async with person(home, repo) as one:
        shell = await one.opens("sleep 1000")
        key, secret = await one.me.app.create_key("alice")
        for method, path in (
            ("GET", f"{one.path}/terminals"),
            ("POST", f"{one.path}/terminals"),
            ("POST", f"{one.path}/previews"),
            ("GET", f"{shell.path}/stream"),
            ("POST", f"{shell.path}/input"),
            ("POST", f"{shell.path}/size"),
            ("DELETE", shell.path),
            ("DELETE", "/previews/any"),
        ):
            answer = await one.client.request(
                method, path, json={"keys": "", "port": 80}
            )
            assert answer.status_code == 401, (method, path, answer.text)
        one.client.headers["X-API-Key"] = secret
        await shell.closes()
        assert key.name == "alice"


async def test_a_revoked_key_ends_its_terminals_and_previews_and_no_others(
    home: Path, repo: Path
) -> None:
    async with person(home, repo) as one:
        keys = {name: await one.me.app.create_key(name) for name in ("alice", "bob")}
        paths = {}
        for name, (_, secret) in keys.items():
            one.client.headers["X-API-Key"] = secret
            await one.opens("sleep 1000")
            paths[name] = await one.previews(8000)
        await one.me.app.revoke_key(keys["alice"][0].id)

        async def only_one_is_left() -> bool:
            state = await one.looks()
            return len(state["terminals"]) == len(state["previews"]) == 1

        await comes_true(only_one_is_left)
        state = await one.looks()
        assert [told["id"] for told in state["previews"]] == [paths["bob"].told["id"]]
