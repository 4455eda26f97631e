"""Forks: made and removed in no time, whatever an agent has left in them."""

import ctypes
import os
import resource
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from aideator.changes.fork import fork
from aideator.domain.errors import Conflict, NotFound
from aideator.repositories.checkout import Checkout
from aideator.repositories.untrusted_tree import remove_tree
from aideator.sandbox.base import sandbox_uid
from tests.changes import extraction


@pytest.fixture
async def checkout(home: Path, repo: Path) -> Checkout:
    return await extraction.checkout(home, repo)


async def test_a_fork_is_two_empty_folders_of_the_sandbox_s_user_and_is_gone_at_the_end(
    checkout: Checkout, home: Path
) -> None:
    async with fork(checkout, home, "run-1") as forked:
        for path in (forked.upper, forked.work):
            assert list(path.iterdir()) == []
            assert path.stat().st_uid == (sandbox_uid() or os.getuid())
            assert stat.S_IMODE(path.stat().st_mode) == 0o755
        assert forked.tree.layers == (checkout.path,)
        assert forked.result.layers == (checkout.path, forked.upper)
        assert forked.result.upper is None
    assert list((home / "forks").iterdir()) == []


async def test_a_name_in_use_is_refused_and_a_left_over_is_replaced(
    checkout: Checkout, home: Path
) -> None:
    (home / "forks" / "run-1" / "upper").mkdir(parents=True)
    (home / "forks" / "run-1" / "upper" / "old").touch()
    async with fork(checkout, home, "run-1") as forked:
        assert not (forked.upper / "old").exists()
        with pytest.raises(Conflict, match="run-1 is in use"):
            async with fork(checkout, home, "run-1"):
                pass
        assert forked.upper.is_dir()


@pytest.mark.parametrize("name", ["..", ".", "", "a/b", "/etc", "-x", "a\0", "x" * 200])
async def test_a_name_that_leads_elsewhere_is_refused(
    checkout: Checkout, home: Path, name: str
) -> None:
    with pytest.raises(ValueError, match="invalid name of a fork"):
        async with fork(checkout, home, name):
            pass


async def test_a_checkout_that_is_gone_is_a_clear_error(
    checkout: Checkout, home: Path
) -> None:
    remove_tree(checkout.path.parent)
    with pytest.raises(NotFound, match="is gone"):
        async with fork(checkout, home, "run-1"):
            pass


async def test_a_failure_inside_removes_the_fork_all_the_same(
    checkout: Checkout, home: Path
) -> None:
    async def crash() -> None:
        async with fork(checkout, home, "run-1") as forked:
            (forked.upper / "file").touch()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await crash()
    assert list((home / "forks").iterdir()) == []


PR_SET_DUMPABLE = 4

HOSTILE = r"""
import os, socket
os.mkdir("locked"); open("locked/file", "w").close()
os.mkdir("locked/inner"); os.chmod("locked/inner", 0)
os.chmod("locked", 0)
os.symlink("/", "root"); os.symlink(os.environ["PRECIOUS"], "precious")
os.symlink("..", "up"); os.symlink("x", "x")
os.mkfifo("fifo"); os.mkfifo("fifo0", 0)
socket.socket(socket.AF_UNIX).bind("socket")
names = (b"\xff\xfe", b"new\nline", b"\x1b[31m", b"-rf", b".moved-", b" ", b"x" * 255)
for name in names:
    open(name, "w").close()
os.mkdir(b".moved-0"); os.mkdir(b"\xff.d"); open(b"\xff.d/\xfe", "w").close()
open("readonly", "w").close(); os.chmod("readonly", 0o400)
os.link("readonly", "hard")
for _ in range(3000):
    os.mkdir("d"); os.chdir("d")
open("bottom", "w").close()
"""


@contextmanager
def acting_as(uid: int) -> Iterator[None]:
    """Be another user for a while, without root's power to pass by modes."""
    os.seteuid(uid)
    # The kernel takes /proc/self away from a process that changes its user, as a start
    # as that user would not.
    ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 1, 0, 0, 0)
    try:
        yield
    finally:
        os.seteuid(0)
        ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 1, 0, 0, 0)


@pytest.mark.skipif(
    os.geteuid() != 0, reason="needs root to become another user, whom modes hold back"
)
@pytest.mark.parametrize("uid", [0, 1001])
def test_a_hostile_tree_is_removed_and_nothing_outside_is_touched(
    home: Path, uid: int
) -> None:
    precious = home / "precious"
    precious.mkdir()
    (precious / "file").write_text("kept")
    os.chown(precious, uid, uid)
    ground = home / "ground"
    ground.mkdir()
    os.chown(ground, uid, uid)
    tree = ground / "tree"
    code = f"import os; os.mkdir({str(tree)!r}); os.chdir({str(tree)!r})\n{HOSTILE}"
    subprocess.run(
        ["python3", "-c", code],
        check=True,
        user=uid,
        group=uid,
        env={"PRECIOUS": str(precious), "PATH": os.defpath},
    )
    with acting_as(uid):
        remove_tree(tree)
    assert not tree.exists()
    assert (precious / "file").read_text() == "kept"


def test_a_tree_that_is_a_link_is_not_followed(home: Path) -> None:
    (home / "real").mkdir()
    (home / "real" / "file").touch()
    (home / "link").symlink_to(home / "real")
    with pytest.raises(OSError, match=r"Not a directory|Too many levels"):
        remove_tree(home / "link")
    assert (home / "real" / "file").exists()


def test_it_needs_few_descriptors_and_no_deep_stack(home: Path) -> None:
    tree = home / "deep"
    tree.mkdir()
    code = (
        "import os, sys\nos.chdir(sys.argv[1])\n"
        "for _ in range(2000):\n    os.mkdir('d'); os.chdir('d')\n"
    )
    subprocess.run([sys.executable, "-c", code, str(tree)], check=True)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard))
    try:
        remove_tree(tree)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert not tree.exists()
