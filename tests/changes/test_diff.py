"""Patches as files and hunks."""

import os
import re
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aideator.changes.diff import DiffLine, FileDiff, parse
from tests.conftest import GIT_ENV, git


def diff(repo: Path) -> list[FileDiff]:
    git(repo, "add", "-A")
    command = [
        "git",
        "diff",
        "--cached",
        "--binary",
        "--full-index",
        "--no-renames",
        "HEAD",
    ]
    return parse(
        subprocess.run(
            command, cwd=repo, env=GIT_ENV, check=True, capture_output=True
        ).stdout
    )


def test_a_changed_line_has_its_place_and_surroundings(repo: Path) -> None:
    (repo / "calc.py").write_text(
        (repo / "calc.py").read_text().replace("a - b", "a + b")
    )
    (found,) = diff(repo)
    assert (found.path, found.status, found.binary, found.old_mode, found.new_mode) == (
        "calc.py",
        "modified",
        False,
        "100644",
        "100644",
    )
    (hunk,) = found.hunks
    assert (hunk.old_start, hunk.old_lines, hunk.new_start, hunk.new_lines) == (
        1,
        5,
        1,
        5,
    )
    assert hunk.lines[:3] == (
        DiffLine("context", "def add(a, b):"),
        DiffLine("removed", "    return a - b"),
        DiffLine("added", "    return a + b"),
    )


def test_added_removed_executable_linked_binary_and_empty_files(repo: Path) -> None:
    (repo / "test_calc.py").unlink()
    (repo / "tool").write_text("#!/bin/sh")
    (repo / "tool").chmod(0o755)
    (repo / "link").symlink_to("calc.py")
    (repo / "data.bin").write_bytes(b"\0\n@@ -1 +1 @@\ndiff --git a/x b/x\n" * 100)
    (repo / "empty").touch()
    (repo / "calc.py").chmod(0o755)
    found = {file.path: file for file in diff(repo)}
    assert {
        path: (file.status, file.old_mode, file.new_mode, file.binary)
        for path, file in found.items()
    } == {
        "calc.py": ("modified", "100644", "100755", False),
        "data.bin": ("added", None, "100644", True),
        "empty": ("added", None, "100644", False),
        "link": ("added", None, "120000", False),
        "test_calc.py": ("removed", "100644", None, False),
        "tool": ("added", None, "100755", False),
    }
    assert found["tool"].hunks[0].lines == (
        DiffLine("added", "#!/bin/sh", newline=False),
    )
    assert found["data.bin"].hunks == found["empty"].hunks == ()


def test_lines_that_look_like_headers_and_odd_line_ends_are_only_text(
    repo: Path,
) -> None:
    text = (
        "diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1 +1 @@\n\\ No newline\n"
        "cr\r\nff\fvt\v\x1c\x85\u2028end"
    )
    (repo / "odd.txt").write_bytes(text.encode())
    (found,) = diff(repo)
    assert [line.text for line in found.hunks[0].lines] == text.split("\n")
    assert [line.newline for line in found.hunks[0].lines] == [True] * 6 + [False]


def test_bytes_that_are_no_text_are_escaped(repo: Path) -> None:
    (repo / os.fsdecode(b"caf\xe9")).write_bytes(b"\xff\n")
    (found,) = diff(repo)
    assert found.path == "caf\\xe9"
    assert found.hunks[0].lines[0].text == "\\xff"


NAMES = st.text(
    st.characters(exclude_characters="/\0", exclude_categories=["Cs"])
    | st.sampled_from(' "\\\t\nb'),
    min_size=1,
    max_size=20,
).filter(
    lambda name: (
        name not in {".", ".."} and ".git" not in name.lower().replace("\u200c", "")
    )
)
LINES = st.lists(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\n")),
    max_size=8,
).map("\n".join)


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("scratch")
    git(path, "init", "-q")
    return path


@settings(max_examples=40, deadline=None)
@given(name=NAMES, before=LINES, after=LINES)
def test_the_hunks_of_any_file_rebuild_it(
    scratch: Path, name: str, before: str, after: str
) -> None:
    file = scratch / name
    file.write_bytes(before.encode())
    git(scratch, "add", "-A", "--", ".")
    file.write_bytes(after.encode())
    command = ["git", "diff", "--binary", "--full-index", "--no-renames"]
    found = parse(
        subprocess.run(
            command, cwd=scratch, env=GIT_ENV, check=True, capture_output=True
        ).stdout
    )
    file.unlink()
    assert [changed.path for changed in found] == ([name] if before != after else [])
    assert all(_new_text(changed, before) == after for changed in found)


def _new_text(changed: FileDiff, old: str) -> str:
    lines = re.findall(r"[^\n]*\n|[^\n]+", old)
    new, position = "", 0
    for hunk in changed.hunks:
        start = hunk.old_start - 1 if hunk.old_lines else hunk.old_start
        new += "".join(lines[position:start])
        new += "".join(
            line.text + "\n" * line.newline
            for line in hunk.lines
            if line.kind != "removed"
        )
        position = start + hunk.old_lines
    return new + "".join(lines[position:])


@given(st.binary())
def test_garbage_is_no_error(data: bytes) -> None:
    assert (
        parse(data) == [] or data.startswith(b"diff --git ") or b"\ndiff --git " in data
    )
    parse(b"diff --git a/x b/x\n" + data)
    parse(b"diff --git a/x b/x\n@@ -1,9 +1,9 @@\n" + data)
