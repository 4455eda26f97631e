"""The state directory is for its user alone, whatever the umask and whatever it was."""

import os
import shutil
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from aideator.domain.errors import Unavailable
from aideator.sandbox.base import sandbox_uid
from aideator.store.home import make_home, runtime_dir
from tests.actions import user
from tests.conftest import git

STRANGER = 4242
WORKING: dict[str, Any] = {
    "lanes": {
        "default": [{"say": "A moment.", "calls": [{"bash": {"command": "sleep 30"}}]}]
    }
}

needs_root = pytest.mark.skipif(
    os.geteuid() != 0, reason="only root can act as another user of the machine"
)


@pytest.fixture(params=[0o000, 0o022, 0o077], ids="umask {:03o}".format)
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def stranger(*command: str, stdin: bytes = b"") -> bytes:
    """Return what a command prints for another user of the machine."""
    as_stranger = (f"--reuid={STRANGER}", f"--regid={STRANGER}", "--clear-groups")
    return subprocess.run(
        ["setpriv", *as_stranger, "--", *command],
        input=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd="/",
        check=False,
    ).stdout


def seen_by_stranger(folder: Path) -> list[str]:
    """Return which paths below a folder another user can see, knowing their names."""
    paths = sorted(str(path) for path in folder.rglob("*"))
    assert paths
    names = b"\0".join(os.fsencode(path) for path in paths)
    seen = stranger("xargs", "-0", "stat", "--printf=%n\\0", stdin=names)
    return [os.fsdecode(name) for name in seen.split(b"\0") if name]


def modes_of_files(folder: Path, pattern: str) -> dict[str, int]:
    return {
        path.name: stat.S_IMODE(path.stat().st_mode)
        for path in folder.glob(pattern)
        if path.is_file()
    }


@needs_root
async def test_another_user_sees_nothing_of_the_state_directory_while_a_run_works(
    home: Path, repo: Path, umask: int
) -> None:
    (repo / "secret.txt").write_text("the secret")
    git(repo, "add", ".")
    git(repo, "commit", "-q", "-m", "Add a secret")
    async with user(home, repo, WORKING) as me:
        run = await me.asks(checks=[])
        await me.hears(run.id, until="tool_call_update")
        state = home / "state"
        assert list(state.glob("checkouts/*/tree/secret.txt"))
        assert list(state.glob("run/*"))
        assert seen_by_stranger(state) == []
        assert stranger("ls", str(state)) == b""
        await me.app.cancel(run.id)


@needs_root
async def test_a_state_directory_that_was_open_is_closed_at_the_next_start(
    home: Path, repo: Path
) -> None:
    async with user(home, repo, "no_change") as me:
        await me.asks_and_waits(checks=[])
    state = home / "state"
    for path in (state, *state.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o777 if path.is_dir() else 0o666)
    (state / "aideator.db.0001.backup").touch(0o644)
    assert str(state / "aideator.db") in seen_by_stranger(state)
    async with user(home, repo, "no_change") as me:
        assert await me.app.list()
        assert seen_by_stranger(state) == []
        modes = modes_of_files(state, "*")
    assert modes.keys() >= {"aideator.db", "aideator.db-wal", "instance.lock"}
    assert set(modes.values()) == {0o600}


async def test_files_are_private_even_in_a_folder_that_is_not(
    home: Path, repo: Path, umask: int
) -> None:
    url = f"sqlite+aiosqlite:///{home}/elsewhere.db"
    async with user(home, repo, "no_change", database_url=url) as me:
        await me.asks_and_waits(checks=[])
        modes = modes_of_files(home, "elsewhere.db*")
    assert modes == dict.fromkeys(
        ["elsewhere.db", "elsewhere.db-shm", "elsewhere.db-wal"], 0o600
    )


@needs_root
def test_a_directory_of_another_user_is_refused(home: Path) -> None:
    state = home / "state"
    state.mkdir()
    os.chown(state, STRANGER, STRANGER)
    with pytest.raises(Unavailable, match=f"belongs to another user .uid {STRANGER}."):
        make_home(state, group=None)


def long_home(home: Path) -> Path:
    return home / ("deep" * 20)


@pytest.fixture
def sockets(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The directory for sockets of a state directory with a long path."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(home))
    path = runtime_dir(long_home(home))
    yield path
    shutil.rmtree(path, ignore_errors=True)


def test_sockets_of_a_long_path_are_where_only_this_user_may_write(
    home: Path, sockets: Path
) -> None:
    group = sandbox_uid()
    make_home(long_home(home), group=group)
    make_home(long_home(home), group=group)
    assert len(str(sockets)) < 60
    expected = "/run" if os.geteuid() == 0 else str(home)
    assert str(sockets).startswith(expected)
    for path in (sockets, sockets.parent):
        status = path.stat()
        assert status.st_uid == os.geteuid()
        assert stat.S_IMODE(status.st_mode) == (0o700 if group is None else 0o710)


def to_another(path: Path) -> None:
    os.chown(path, STRANGER, STRANGER)


def writable(path: Path) -> None:
    path.chmod(0o777)


def link(path: Path) -> None:
    path.rename(path.with_name("real"))
    path.symlink_to(path.with_name("real"))


def file(path: Path) -> None:
    path.rmdir()
    path.touch()


@pytest.mark.parametrize(
    "trap",
    [pytest.param(to_another, marks=needs_root), writable, link, file],
)
def test_a_place_for_sockets_that_somebody_else_prepared_is_refused(
    home: Path, sockets: Path, trap: Any
) -> None:
    sockets.mkdir(parents=True, mode=0o700)
    trap(sockets)
    try:
        with pytest.raises(Unavailable) as refused:
            make_home(long_home(home), group=sandbox_uid())
        assert refused.value.hint
    finally:
        for path in sockets.parent.glob("*"):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
