"""Measuring a tree that its owner does not want to be measured."""

import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aideator.sandbox.disk import disk_usage


def write(path: Path, size: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * size)


@settings(max_examples=25, deadline=None)
@given(
    st.dictionaries(
        st.lists(st.sampled_from("abc"), min_size=1, max_size=5).map("/d".join),
        st.integers(0, 20_000),
    )
)
def test_it_agrees_with_du(
    tmp_path_factory: pytest.TempPathFactory, files: dict[str, int]
) -> None:
    root = tmp_path_factory.mktemp("tree")
    for name, size in files.items():
        write(root / f"{name}.file", size)
    told = subprocess.run(
        ["du", "-s", "-B1", root], capture_output=True, text=True, check=True
    ).stdout
    own = root.stat().st_blocks * 512
    # A directory counts by its share of links, so somewhere between nothing and all
    # that du says.
    directories = sum(
        path.stat().st_blocks * 512 for path in root.rglob("*") if path.is_dir()
    )
    assert (
        int(told.split()[0]) - own - directories
        <= disk_usage(root)
        <= int(told.split()[0])
    )


def test_a_very_deep_tree_is_measured_to_its_end(home: Path) -> None:
    here = os.open(home, os.O_RDONLY)
    for _ in range(1500):
        os.mkdir("d", dir_fd=here)
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    Path(f"/proc/self/fd/{here}/file").write_bytes(b"x" * 1_000_000)
    os.close(here)
    try:
        assert disk_usage(home) >= 1_000_000
    finally:
        # Python's rmtree cannot go that deep.
        subprocess.run(["rm", "-rf", home / "d"], check=True)


def test_links_lead_nowhere_and_sparse_files_take_nothing(home: Path) -> None:
    write(home / "outside" / "big", 1_000_000)
    tree = home / "tree"
    tree.mkdir()
    (tree / "link").symlink_to(home / "outside")
    (tree / "file").symlink_to(home / "outside" / "big")
    os.mkfifo(tree / "fifo")
    with (tree / "sparse").open("wb") as sparse:
        sparse.truncate(2**40)
    assert disk_usage(tree) < 100_000


def test_hard_links_count_once(home: Path) -> None:
    write(home / "one", 1_000_000)
    for number in range(9):
        (home / f"link{number}").hardlink_to(home / "one")
    assert 900_000 < disk_usage(home) < 1_100_000
