"""A patch is shown with renames and readable names, and still applies."""

import os
import subprocess
from pathlib import Path

import pytest

from aideator.changes.shown import parse_with_renames, show
from tests.conftest import git


def stored(repo: Path) -> bytes:
    """The patch of the whole work tree as it is stored."""
    git(repo, "add", "-A")
    command = ["git", "diff", "--cached", "--binary", "--full-index", "--no-renames"]
    return subprocess.run(command, cwd=repo, check=True, capture_output=True).stdout


def same_tree_after(repo: Path, patch: bytes) -> bool:
    """Whether a patch leads from HEAD to what is staged."""
    wanted = git(repo, "write-tree")
    git(repo, "reset", "-q", "--hard")
    command = ["git", "apply", "--index", "--whitespace=nowarn"]
    subprocess.run(command, cwd=repo, input=patch, check=True)
    return git(repo, "write-tree") == wanted


LINES = "".join(f"line {n}\n" for n in range(300))


@pytest.fixture
def many(repo: Path) -> Path:
    (repo / "old.txt").write_text(LINES)
    (repo / "data.bin").write_bytes(bytes(range(256)) * 20)
    (repo / "other.txt").write_text("nothing alike\n" * 9)
    (repo / "no end").write_text("one\ntwo\nthree\nfour\nfive\nsix\nseven\nlast")
    (repo / "empty").touch()
    git(repo, "add", "-A")
    git(repo, "commit", "-q", "-m", "many")
    return repo


def test_a_rename_is_a_rename_with_what_changed_in_it(many: Path) -> None:
    git(many, "mv", "old.txt", "new.txt")
    (many / "new.txt").write_text(LINES.replace("line 7\n", "line seven\n"))
    shown = show(stored(many))
    assert b"rename from old.txt\nrename to new.txt\n" in shown
    assert b"-line 7\n+line seven\n" in shown
    assert len(shown.splitlines()) < 20
    assert same_tree_after(many, shown)


def test_the_parsed_diff_names_both_ends_of_a_rename(many: Path) -> None:
    git(many, "mv", "old.txt", "new.txt")
    (many / "new.txt").write_text(LINES.replace("line 7\n", "line seven\n"))
    git(many, "mv", "no end", "at the end")
    files = {file.path: file for file in parse_with_renames(stored(many))}
    assert set(files) == {"old.txt", "new.txt", "no end", "at the end"}
    assert files["new.txt"].renamed_from == "old.txt"
    assert files["old.txt"].renamed_to == "new.txt"
    (hunk,) = files["new.txt"].rename_hunks
    changed = [line.text for line in hunk.lines if line.kind != "context"]
    assert changed == ["line 7", "line seven"]
    assert files["at the end"].renamed_from == "no end"
    assert files["at the end"].rename_hunks == ()
    assert len(files["new.txt"].hunks[0].lines) == 300


def test_every_kind_of_rename_still_applies(many: Path) -> None:
    os.renames(many / "data.bin", many / "deep/er/data.bin")
    (many / "no end").rename(many / 'odd "name"\n\t日本語')
    with (many / 'odd "name"\n\t日本語').open("a") as file:
        file.write(" line\nmore\r\n\f")
    (many / "old.txt").rename(many / "run.sh")
    (many / "run.sh").chmod(0o755)
    (many / "other.txt").unlink()
    (many / "empty").rename(many / "void")
    (many / "unrelated.txt").write_text("quite another thing\n" * 9)
    shown = show(stored(many))
    assert shown.count(b"\nrename to ") == 3
    assert b'rename to "odd \\"name\\"\\n\\t' + "日本語".encode() in shown
    assert b"old mode 100644\nnew mode 100755\nsimilarity index 100%\n" in shown
    assert b"deleted file mode 100644" in shown
    assert same_tree_after(many, shown)


@pytest.mark.parametrize("name", ["日本語.txt", "a b.txt", "ü/é", "n\nl", 'q"', "\\"])
def test_names_in_utf_8_are_readable_in_every_line(many: Path, name: str) -> None:
    path = many / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("x\n")
    shown = show(stored(many))
    if name.isprintable() and not {'"', "\\"} & set(name):
        assert f"+++ b/{name}".encode() in shown
        assert f"diff --git a/{name} b/{name}\n".encode() in shown
    assert same_tree_after(many, shown)


def test_bytes_that_are_not_utf_8_stay_as_they_are(many: Path) -> None:
    (many / "old.txt").rename(many / "new.txt")
    with (many / "new.txt").open("ab") as file:
        file.write(b"\xff\xfe\n")
    (many / os.fsdecode(b"\xff\xe9")).write_bytes(b"\xff\n")
    patch = stored(many)
    assert show(patch) == patch
    assert same_tree_after(many, patch)


def test_a_file_that_becomes_a_link_is_no_rename(many: Path) -> None:
    (many / "old.txt").unlink()
    (many / "old.txt").symlink_to("other.txt")
    patch = stored(many)
    assert show(patch) == patch


def test_nothing_is_shown_of_nothing() -> None:
    assert show(b"") == b""
