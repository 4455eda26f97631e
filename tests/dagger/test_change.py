"""The file format of changes: it carries a tree, and a hostile file does no harm."""

import io
import json
import os
import stat
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aideator.sandbox.dagger.inside.change import (
    DEEPEST,
    LONGEST_LINE,
    BadChange,
    ChangeReader,
    take_manifest,
    write_changes,
    write_upper,
)

NAMES = st.sampled_from(["a", "b", "c d", "é", "\udcff", "-rf", "line\nbreak"])
TREES = st.recursive(
    st.one_of(st.binary(max_size=20), st.sampled_from(["a", "/etc/passwd", "../.."])),
    lambda below: st.dictionaries(NAMES, below, max_size=3),
    max_leaves=8,
)


def grow(root: Path, tree: object) -> None:
    """Make a tree: bytes are files, texts are links, dictionaries are directories."""
    if isinstance(tree, bytes):
        root.write_bytes(tree)
    elif isinstance(tree, str):
        root.symlink_to(tree)
    elif isinstance(tree, dict):
        root.mkdir(exist_ok=True)
        for name, below in tree.items():
            grow(root / name, below)


def seen(root: Path) -> object:
    if root.is_symlink():
        return os.readlink(root)  # noqa: PTH115 - as bytes may be no UTF-8
    if root.is_file():
        return root.read_bytes()
    return {path.name: seen(path) for path in root.iterdir()}


def remade(root: Path, tree: dict[str, object]) -> None:
    for path in list(root.iterdir()):
        remove(path)
    grow(root, tree)


def remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        for below in path.iterdir():
            remove(below)
        path.rmdir()
    else:
        path.unlink()


@given(
    before=st.dictionaries(NAMES, TREES, max_size=4),
    after=st.dictionaries(NAMES, TREES, max_size=4),
)
@settings(max_examples=60, deadline=None)
def test_a_change_makes_of_the_one_tree_the_other(
    before: dict[str, object],
    after: dict[str, object],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    home = tmp_path_factory.mktemp("change")
    for name in ("here", "there"):
        grow(home / name, before)
    manifest = take_manifest(str(home / "here"))
    remade(home / "here", after)
    change = io.BytesIO()
    write_changes(str(home / "here"), manifest, change)
    change.seek(0)
    ChangeReader(str(home / "there")).apply(change, most=10_000)
    assert seen(home / "there") == after


def test_an_upper_directory_goes_and_comes_as_overlayfs_keeps_it(
    tmp_path: Path,
) -> None:
    grow(tmp_path / "tree", {"gone": b"g", "kept": b"k", "dir": {"inner": b"i"}})
    manifest = take_manifest(str(tmp_path / "tree"))
    remove(tmp_path / "tree" / "gone")
    grow(tmp_path / "tree" / "new", b"n")
    change = io.BytesIO()
    write_changes(str(tmp_path / "tree"), manifest, change)
    for name in ("upper", "again"):
        (tmp_path / name).mkdir()
    change.seek(0)
    try:
        ChangeReader(str(tmp_path / "upper"), overlay=True).apply(change, most=100)
    except BadChange as error:
        pytest.skip(f"this machine makes no whiteouts: {error}")
    whiteout = (tmp_path / "upper" / "gone").lstat()
    assert stat.S_ISCHR(whiteout.st_mode)
    assert whiteout.st_rdev == 0
    assert (tmp_path / "upper" / "new").read_bytes() == b"n"
    travelled = io.BytesIO()
    write_upper(str(tmp_path / "upper"), travelled)
    grow(tmp_path / "other", {"gone": b"g", "kept": b"k", "dir": {"inner": b"i"}})
    travelled.seek(0)
    ChangeReader(str(tmp_path / "other")).apply(travelled, most=100)
    assert seen(tmp_path / "other") == {
        "kept": b"k",
        "dir": {"inner": b"i"},
        "new": b"n",
    }


def test_what_is_no_file_directory_or_link_stays_behind(tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    os.mkfifo(tmp_path / "tree" / "pipe")
    (tmp_path / "tree" / "file").write_bytes(b"f")
    (tmp_path / "tree" / "file").chmod(0o4755)
    change = io.BytesIO()
    write_changes(str(tmp_path / "tree"), {}, change)
    lines = [
        json.loads(line)
        for line in change.getvalue().split(b"\n")
        if line.startswith(b"{")
    ]
    assert [(line.get("path"), line.get("mode")) for line in lines] == [("file", 0o755)]


def entry(**fields: object) -> bytes:
    return json.dumps(fields).encode() + b"\n"


END = entry(kind="end")


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"not json\n",
        b"[]\n" + END,
        b"[" * 50_000 + b"\n",
        b"{" + b" " * LONGEST_LINE + b"}\n" + END,
        entry(path="a", kind="device", mode=0) + END,
        entry(path="../out", kind="file", mode=0, size=0) + END,
        entry(path="/out", kind="directory", mode=0o755) + END,
        entry(path="a//b", kind="gone") + END,
        entry(path="a\0b", kind="gone") + END,
        entry(path="/".join("d" * (DEEPEST + 1)), kind="directory", mode=0o755) + END,
        entry(path="a", kind="file", mode=0o644, size=-1) + END,
        entry(path="a", kind="file", mode=0o644, size=True) + END,
        entry(path="a", kind="file", mode="rw", size=0) + END,
        entry(path="a", kind="file", mode=0o644, size=200) + b"x" * 200 + END,
        entry(path="a", kind="file", mode=0o644, size=50) + b"short",
        entry(path="link", kind="link", to="/tmp")
        + entry(path="link/x", kind="file", mode=0o644, size=0)
        + END,
        entry(path="there", kind="gone"),
    ],
)
def test_a_hostile_change_is_refused_and_touches_nothing_outside(
    said: bytes, tmp_path: Path
) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    root.mkdir()
    outside.mkdir()
    (root / "out").symlink_to(outside)
    with pytest.raises(BadChange):
        ChangeReader(str(root)).apply(io.BytesIO(said), most=100)
    assert list(outside.iterdir()) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["outside", "root"]


def test_a_file_replaces_a_link_and_does_not_follow_it(tmp_path: Path) -> None:
    root, target = tmp_path / "root", tmp_path / "target"
    root.mkdir()
    target.write_text("untouched")
    (root / "link").symlink_to(target)
    said = entry(path="link", kind="file", mode=0o4777, size=2) + b"hi" + END
    ChangeReader(str(root), mask=0o755).apply(io.BytesIO(said), most=100)
    assert (target.read_text(), (root / "link").read_text()) == ("untouched", "hi")
    assert (root / "link").stat().st_mode & 0o7777 == 0o755


def test_a_directory_that_may_not_be_written_to_is_filled_all_the_same(
    tmp_path: Path,
) -> None:
    said = (
        entry(path="d", kind="directory", mode=0o500)
        + entry(path="d/f", kind="file", mode=0o400, size=0)
        + END
    )
    ChangeReader(str(tmp_path)).apply(io.BytesIO(said), most=100)
    assert (tmp_path / "d").stat().st_mode & 0o777 == 0o500
    assert (tmp_path / "d" / "f").exists()
