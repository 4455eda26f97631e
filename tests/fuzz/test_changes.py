"""Changes: patches, what flags read in them, and the archives of containers.

A patch gives no more files, hunks and lines than it has lines; flags are at most
`MAX_FLAGS`. A change archive writes below its root only, at most as many bytes as it
may and `MOST_ENTRIES` entries, and fails with `BadChange`. What writers make is read
back in tests/changes/test_compose.py and tests/dagger/test_change.py.
"""

import io
import json
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from aideator.changes.compose import compose
from aideator.changes.diff import DiffLine, FileDiff, parse
from aideator.changes.fingerprint import fingerprint
from aideator.domain.check import Check
from aideator.domain.errors import Conflict, InvalidInput
from aideator.domain.run import ComposedPart
from aideator.flags.tamper import MAX_FLAGS, find_flags
from aideator.sandbox.dagger.inside.change import BadChange, ChangeReader
from tests.fuzz.strategies import (
    JSON,
    TEXTS,
    around,
    as_json,
    examples,
    mutated,
    repeated,
)
from tests.fuzz.work import check_growth, check_large

PATCH = rb"""diff --git a/tests/test_a.py b/tests/test_a.py
index 1111111111111111111111111111111111111111..2222222222222222222222222222222222222222 100644
--- a/tests/test_a.py
+++ b/tests/test_a.py
@@ -1,5 +1,6 @@ class TestA:
 import a
 def test_one():
-    assert a.one() == 1
+    try:
+        assert a.one()
+    except Exception: pass
 @pytest.mark.skip
-def test_two(): pass
\ No newline at end of file
diff --git "a/\303\244 \"b\".txt" "b/\303\244 \"b\".txt"
new file mode 100755
index 0000000000000000000000000000000000000000..2222222222222222222222222222222222222222
--- /dev/null
+++ "b/\303\244 \"b\".txt"
@@ -0,0 +1 @@
+AKIAIOSFODNN7EXAMPLE
diff --git a/Makefile b/Makefile
old mode 100644
new mode 100755
index 1111111111111111111111111111111111111111..2222222222222222222222222222222222222222
--- a/Makefile
+++ b/Makefile
@@ -1,2 +1,2 @@
 test:
-	pytest
+	true
diff --git a/b.bin b/b.bin
deleted file mode 100644
index 1111111111111111111111111111111111111111..0000000000000000000000000000000000000000
GIT binary patch
literal 0
HcmV?d00001

literal 3
Kcmezm;f(`f7i0t%

"""  # noqa: E501
CHECKS = [Check(command="make test"), Check(command="python -m pytest tests")]


def flags(data: bytes) -> object:
    return find_flags(parse(data), checks=CHECKS, protected=["tests/**", "**/*.bin"])


def take_whole(data: bytes) -> bytes:
    paths = dict.fromkeys(file.path for file in parse(data))
    parts = [
        ComposedPart(variation_id=1, path=path)
        for path in paths
        if 0 < len(path) < 4096
    ]
    try:
        return compose({1: data}, parts) if parts else b""
    except (Conflict, InvalidInput):
        return b""


PARSERS: dict[str, Callable[[bytes], object]] = {
    "diff": parse,
    "fingerprint": fingerprint,
    "flags": flags,
    "compose": take_whole,
}


def test_the_seed_is_what_git_writes() -> None:
    files = parse(PATCH)
    assert [file.path for file in files] == [
        "tests/test_a.py",
        'ä "b".txt',
        "Makefile",
        "b.bin",
    ]
    assert flags(PATCH)
    assert take_whole(PATCH)


@examples(150)
@given(mutated([PATCH]))
@example(b"diff --git a/a b/a\n@@ -" + b"1" * 5_000 + b" +1 @@\n+a")
@example(b'diff --git "a/\\777" "b/\\777"\n@@ -1 +1 @@\n-a')
@example(b"diff --git \n@@ -0,0 +1,9 @@\n\\\n+\0\xff")
def test_a_broken_patch_gives_no_more_than_it_has(data: bytes) -> None:
    files = parse(data)
    lines = [line for file in files for hunk in file.hunks for line in hunk.lines]
    assert len(files) + len(lines) <= data.count(b"\n") + 1
    assert sum(len(line.text) for line in lines) <= 4 * len(data)
    assert len(fingerprint(data)) in {0, 32}
    found = flags(data)
    assert isinstance(found, tuple)
    assert len(found) <= MAX_FLAGS
    take_whole(data)


LINES = st.lists(
    st.tuples(st.sampled_from([" ", "-", "+"]), st.binary(max_size=20)), max_size=12
)
KINDS = {" ": "context", "-": "removed", "+": "added"}


@examples(100)
@given(LINES, TEXTS)
def test_what_git_writes_is_what_is_read(
    rows: list[tuple[str, bytes]], heading: str
) -> None:
    rows = [(mark, text.replace(b"\n", b"")) for mark, text in rows]
    old = sum(mark != "+" for mark, _ in rows)
    new = sum(mark != "-" for mark, _ in rows)
    head = heading.encode(errors="replace").replace(b"\n", b"")
    patch = b"diff --git a/x b/x\nindex 1..2 100644\n--- a/x\n+++ b/x\n"
    patch += b"@@ -1,%d +1,%d @@ %s\n" % (old, new, head)
    patch += b"".join(mark.encode() + text + b"\n" for mark, text in rows)
    (file,) = parse(patch)
    assert isinstance(file, FileDiff)
    (hunk,) = file.hunks
    assert hunk.lines == tuple(
        DiffLine(KINDS[mark], text.decode(errors="backslashreplace"))  # type: ignore[arg-type]
        for mark, text in rows
    )


@pytest.mark.parametrize("name", PARSERS)
@examples(8)
@given(repeated([PATCH]))
def test_work_grows_in_proportion(name: str, build: Callable[[int], bytes]) -> None:
    check_growth(PARSERS[name], build, per_byte=400)


def hunk_of(*lines: bytes, path: bytes = b"tests/test_a.py") -> Callable[[int], bytes]:
    """Return a builder of one hunk in a test, with these lines again and again."""
    head = b"diff --git a/%s b/%s\nindex 1..2 100644\n--- a/%s\n+++ b/%s\n"
    counts = b"@@ -1,9999999 +1,9999999 @@ def test_a():\n"
    return around(head % (path, path, path, path) + counts, b"\n".join(lines) + b"\n")


LARGE: dict[str, tuple[str, Callable[[int], bytes]]] = {
    "files": ("diff", around(b"", b"diff --git a/%d b/%d\n@@ -1 +1 @@\n-a\n+b\n")),
    "one path": ("compose", around(b"", b"diff --git a/a b/a\n@@ -1 +1 @@\n-a\n+b\n")),
    "escapes": ("diff", around(b'diff --git "a/', b"\\303\\\\", b'" "b/"\n')),
    "no line feeds": ("diff", around(b"diff --git a/a b/a\n@@ -1 +1 @@\n-a", b"\n\\")),
    "swallowed": ("flags", hunk_of(b"+    except: pass", b"-    x%d = 1")),
    "scattered": ("flags", hunk_of(b" a", b"+b%d", b"-c%d")),
    "definitions": ("flags", hunk_of(b"+def test_%d():", b"+    pass")),
    "marks": ("flags", hunk_of(b"+@mark def test_%d():")),
    "assertions": ("flags", hunk_of(b"-    assert a == %d", b"+    x(%d)")),
    "values": ("flags", hunk_of(b"-    a(%d)", b"+    a(x%d)")),
    "cases": ("flags", hunk_of(b"-    (%d, 1),", b"+    (x%d),")),
    "make": ("flags", hunk_of(b"+a b c d %d", b"+b: c", path=b"Makefile")),
}


@pytest.mark.parametrize("shape", LARGE)
def test_a_large_patch_takes_neither_long_nor_much_memory(shape: str) -> None:
    name, build = LARGE[shape]
    size = 2**16 if name == "flags" else 2**20  # they look at each line in many ways
    check_large(PARSERS[name], build, per_byte=400, size=size)


END = b'{"kind": "end"}\n'
CHANGE = (
    b'{"path": "a", "kind": "directory", "mode": 493}\n'
    b'{"path": "a/b", "kind": "file", "mode": 420, "size": 3}\nabc'
    b'{"path": "a/c", "kind": "link", "to": "/etc/passwd"}\n'
    b'{"path": "a/c/d", "kind": "file", "mode": 420, "size": 1}\nx'
    b'{"path": "d", "kind": "gone"}\n' + END
)
MOST = 10_000


def apply(root: Path, data: bytes) -> bool:
    """Apply a change beside a file that is not its own; return whether it is read."""
    inside = root / "inside"
    inside.mkdir()
    (root / "outside").write_text("mine")
    try:
        ChangeReader(str(inside)).apply(io.BytesIO(data), most=MOST)
    except BadChange:
        return False
    finally:
        assert {path.name for path in root.iterdir()} == {"inside", "outside"}
        assert (root / "outside").read_text() == "mine"
        check_is_a_plain_tree(inside)
    return True


def check_is_a_plain_tree(root: Path) -> None:
    size = 0
    for folder, folders, files in os.walk(root):
        for name in (*folders, *files):
            status = (Path(folder) / name).lstat()
            assert stat.S_IFMT(status.st_mode) in {
                stat.S_IFREG,
                stat.S_IFDIR,
                stat.S_IFLNK,
            }
            size += status.st_size if stat.S_ISREG(status.st_mode) else 0
    assert size <= MOST


@examples(100)
@given(mutated([CHANGE, CHANGE.replace(b"a/c", b"../outside")]))
@example(b'{"path": "../outside", "kind": "file", "mode": 0, "size": 0}\n' + END)
@example(b'{"path": "a", "kind": "file", "mode": 0, "size": 99999999999}\n' + END)
@example(b"[" * 60_000 + b"\n")
@example(CHANGE.replace(b"493", b"9" * 4_000))
def test_a_broken_change_writes_below_its_root_only(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    apply(tmp_path_factory.mktemp("change"), data)


@examples(60)
@given(st.dictionaries(st.sampled_from(["path", "kind", "mode", "size", "to"]), JSON))
def test_any_values_in_the_fields_of_an_entry(
    tmp_path_factory: pytest.TempPathFactory, fields: dict[str, object]
) -> None:
    for kind in ("file", "directory", "link", "gone"):
        entry = {"path": "a", "kind": kind, "mode": 1, "to": "b"} | fields
        apply(tmp_path_factory.mktemp("change"), as_json(entry) + b"\n" + END)


def test_a_change_of_folders_within_folders_ends(tmp_path: Path) -> None:
    # Each line makes up to 200 directories, and costs the sender 400 bytes.
    lines = (
        json.dumps({"path": f"{n}" + "/a" * 199, "kind": "gone"}).encode() + b"\n"
        for n in range(10)
    )
    reader = ChangeReader(str(tmp_path))
    reader.entries_left = 1_000
    with pytest.raises(BadChange, match="entries"):
        reader.apply(io.BytesIO(b"".join(lines) + END), most=MOST)
