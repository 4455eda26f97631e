"""Files and hunks of several patches become one; git makes and applies the patches."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aideator.changes.compose import compose
from aideator.changes.diff import parse
from aideator.domain.errors import Conflict, InvalidInput
from aideator.domain.run import ComposedPart
from tests.conftest import GIT_ENV, git

Tree = dict[str, bytes]
BASE = b"".join(b"line %d\n" % n for n in range(1, 41))


@pytest.fixture
def project(tmp_path: Path) -> Path:
    path = tmp_path / "project"
    path.mkdir()
    git(path, "init", "-q", "-b", "main")
    return path


def run(
    path: Path, *arguments: str, stdin: bytes = b""
) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        ["git", *arguments],
        cwd=path,
        env=GIT_ENV,
        input=stdin,
        capture_output=True,
        check=False,
    )


def write(path: Path, tree: Tree) -> None:
    """Make the work tree hold just these files."""
    for old in path.rglob("*"):
        if old.is_file() and ".git" not in old.relative_to(path).parts:
            old.unlink()
    for name, content in tree.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content)


def commit(path: Path, tree: Tree) -> None:
    write(path, tree)
    git(path, "add", "-A")
    git(path, "commit", "-q", "--allow-empty", "-m", "base")


def patch(path: Path, tree: Tree, change: Callable[[], None] | None = None) -> bytes:
    """What a variation would have changed, as the platform takes it out."""
    write(path, tree)
    if change:
        change()
    git(path, "add", "-A")
    made = run(
        path, "diff", "--cached", "--binary", "--full-index", "--no-renames"
    ).stdout
    git(path, "reset", "-q", "--hard")
    git(path, "clean", "-fdq")
    return made


def applied(path: Path, made: bytes) -> Tree:
    """The files after a patch, on a clean base."""
    done = run(path, "apply", "--index", "--whitespace=nowarn", "-", stdin=made)
    assert done.returncode == 0, (done.stderr.decode(), made.decode(errors="replace"))
    names = run(path, "ls-files", "-z").stdout.decode().split("\0")[:-1]
    tree = {name: (path / name).read_bytes() for name in names}
    git(path, "reset", "-q", "--hard")
    git(path, "clean", "-fdq")
    return tree


def edited(*changes: tuple[int, bytes]) -> bytes:
    lines = BASE.splitlines(keepends=True)
    for number, text in changes:
        lines[number - 1] = text
    return b"".join(lines)


def whole(number: int, *paths: str) -> list[ComposedPart]:
    return [ComposedPart(variation_id=number, path=path) for path in paths]


def hunks(number: int, path: str, *which: int) -> list[ComposedPart]:
    return [ComposedPart(variation_id=number, path=path, hunks=which)]


def test_hunks_of_two_variations_of_one_file_are_what_git_would_have_written(
    project: Path,
) -> None:
    commit(project, {"a.txt": BASE})
    one, uno, two, dos = (
        (3, b"one\n"),
        (20, b""),
        (12, b"two\nand a half\n"),
        (38, b"dos\n"),
    )
    patches = {
        1: patch(project, {"a.txt": edited(one, uno)}),
        2: patch(project, {"a.txt": edited(two, dos)}),
    }
    some = compose(patches, [*hunks(2, "a.txt", 1), *hunks(1, "a.txt", 0)])
    assert applied(project, some) == {"a.txt": edited(one, dos)}
    made = compose(patches, [*hunks(1, "a.txt", 0, 1), *hunks(2, "a.txt", 0, 1)])
    assert applied(project, made) == {"a.txt": edited(one, uno, two, dos)}
    assert places(made) == places(patch(project, {"a.txt": edited(one, uno, two, dos)}))


def places(made: bytes) -> list[tuple[int, int, int, int]]:
    (file,) = parse(made)
    return [
        (hunk.old_start, hunk.old_lines, hunk.new_start, hunk.new_lines)
        for hunk in file.hunks
    ]


@pytest.mark.parametrize("line", [12, 17])
def test_hunks_whose_surroundings_meet_become_one(project: Path, line: int) -> None:
    commit(project, {"a.txt": BASE})
    one, two = (10, b"one\n"), (line, b"two\n")
    patches = {
        1: patch(project, {"a.txt": edited(one)}),
        2: patch(project, {"a.txt": edited(two)}),
    }
    made = compose(patches, [*hunks(1, "a.txt", 0), *hunks(2, "a.txt", 0)])
    assert places(made) == [(7, line - 3, 7, line - 3)]
    assert applied(project, made) == {"a.txt": edited(one, two)}


def test_changes_of_neighbouring_lines_go_together_and_of_the_same_do_not(
    project: Path,
) -> None:
    commit(project, {"a.txt": BASE})
    patches = {
        1: patch(project, {"a.txt": edited((10, b"one\n"))}),
        2: patch(project, {"a.txt": edited((11, b"two\n"))}),
        3: patch(project, {"a.txt": edited((10, b"three\n"))}),
        4: patch(project, {"a.txt": edited((10, b"one\n"))}),
        5: patch(project, {"a.txt": edited((10, b"line 10\nfive\n"))}),
        6: patch(project, {"a.txt": edited((10, b"line 10\nsix\n"))}),
    }
    both = compose(patches, [*hunks(1, "a.txt", 0), *hunks(2, "a.txt", 0)])
    assert applied(project, both) == {"a.txt": edited((10, b"one\n"), (11, b"two\n"))}
    same = compose(patches, [*hunks(1, "a.txt", 0), *hunks(4, "a.txt", 0)])
    assert applied(project, same) == {"a.txt": edited((10, b"one\n"))}
    after = compose(patches, [*hunks(5, "a.txt", 0), *hunks(1, "a.txt", 0)])
    assert applied(project, after) == {"a.txt": edited((10, b"one\nfive\n"))}
    words = (
        r"a\.txt: hunk 0 of variation \d and hunk 0 of variation \d"
        r" change the same place \(line 10 of the base\)"
    )
    with pytest.raises(Conflict, match=words):
        compose(patches, [*hunks(1, "a.txt", 0), *hunks(3, "a.txt", 0)])
    with pytest.raises(Conflict, match="change the same place"):
        compose(patches, [*hunks(5, "a.txt", 0), *hunks(6, "a.txt", 0)])


def test_a_file_that_is_taken_whole_is_taken_from_one(project: Path) -> None:
    commit(project, {"a.txt": BASE})
    patches = {
        1: patch(project, {"a.txt": edited((3, b"one\n"))}),
        2: patch(project, {"a.txt": edited((30, b"two\n"))}),
        3: patch(project, {"a.txt": edited((3, b"one\n"))}),
    }
    with pytest.raises(Conflict, match=r"a\.txt is taken whole .* variations 1 and 2"):
        compose(patches, [*whole(1, "a.txt"), *whole(2, "a.txt")])
    with pytest.raises(Conflict, match=r"a\.txt is taken whole"):
        compose(patches, [*whole(1, "a.txt"), *hunks(2, "a.txt", 0)])
    assert compose(patches, [*whole(1, "a.txt"), *whole(3, "a.txt")]) == patches[1]


def test_what_is_no_text_is_taken_whole(project: Path) -> None:
    commit(
        project,
        {
            "run.sh": b"#!/bin/sh\n" + BASE,
            "gone.txt": b"x\n",
            "data.bin": b"\0\1",
            "link": b"was a file\n",
        },
    )

    def change() -> None:
        (project / "run.sh").chmod(0o755)
        (project / "link").unlink()
        (project / "link").symlink_to("run.sh")

    tree = {
        "run.sh": b"#!/bin/sh\n" + BASE,
        "data.bin": b"\0\2\3",
        "link": b"x",
        'new/ümläut "1".txt': b"n\n",
    }
    patches = {
        1: patch(project, tree, change),
        2: patch(project, {"run.sh": b"#!/bin/sh\n" + edited((20, b"two\n"))}),
    }
    paths = sorted({file.path for file in parse(patches[1])})
    assert paths == ["data.bin", "gone.txt", "link", 'new/ümläut "1".txt', "run.sh"]
    made = compose(patches, whole(1, *paths))
    assert made == patches[1]
    with pytest.raises(InvalidInput, match="can only be taken whole"):
        compose(patches, hunks(1, "data.bin", 0))
    mixed = compose(
        patches, [*whole(1, "data.bin", 'new/ümläut "1".txt'), *hunks(2, "run.sh", 0)]
    )
    after = applied(project, mixed)
    assert after["data.bin"] == b"\0\2\3"
    assert after['new/ümläut "1".txt'] == b"n\n"
    assert after["run.sh"] == b"#!/bin/sh\n" + edited((20, b"two\n"))


def test_a_file_cannot_lie_in_a_file(project: Path) -> None:
    commit(project, {"a.txt": BASE})
    patches = {
        1: patch(project, {"a.txt": BASE, "lib": b"x\n"}),
        2: patch(project, {"a.txt": BASE, "lib/x.py": b"x\n"}),
    }
    with pytest.raises(Conflict, match=r"lib cannot be a file and contain lib/x\.py"):
        compose(patches, [*whole(1, "lib"), *whole(2, "lib/x.py")])


@pytest.mark.parametrize(
    ("part", "words"),
    [
        (
            ComposedPart(variation_id=1, path="b.txt"),
            r"parts\.0: variation 1 does not change 'b\.txt'",
        ),
        (
            ComposedPart(variation_id=1, path="a.txt", hunks=(2,)),
            r"parts\.0\.hunks: there is no hunk 2; the hunks are 0 … 1",
        ),
    ],
)
def test_a_part_that_is_not_there_is_named(
    project: Path, part: ComposedPart, words: str
) -> None:
    commit(project, {"a.txt": BASE})
    patches = {1: patch(project, {"a.txt": edited((3, b"one\n"), (20, b"uno\n"))})}
    with pytest.raises(InvalidInput, match=words):
        compose(patches, [part])


LINES = st.lists(
    st.sampled_from(
        [b"a\n", b"b\n", b"c\r\n", b"\x0c\n", b"-- \n", b"@@ -1 +1 @@\n", b"\xff\n"]
    ),
    max_size=30,
)
ENDS = st.sampled_from([b"", b"last"])
TEXTS = st.builds(lambda lines, end: b"".join(lines) + end, LINES, ENDS)


@st.composite
def versions(draw: st.DrawFn, base: bytes) -> bytes:
    """A text with some stretches of the base replaced."""
    lines = [line + b"\n" for line in base.split(b"\n")[:-1]] + [base.split(b"\n")[-1]]
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(lines)))
        end = draw(st.integers(start, min(len(lines), start + 3)))
        lines[start:end] = draw(
            st.lists(st.sampled_from([b"new 1\n", b"new 2\n", b"a\n"]), max_size=3)
        )
    return b"".join(lines)


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.data())
def test_all_hunks_of_one_are_that_one_and_any_choice_applies_or_is_a_conflict(
    project: Path, data: st.DataObject
) -> None:
    base = data.draw(TEXTS.filter(bool), label="base")
    patches = {1: draw_patch(project, data, base), 2: draw_patch(project, data, base)}
    parts = {number: all_hunks(number, patches[number]) for number in patches}
    for number in patches:
        assert compose(patches, parts[number]) == patches[number]
    choice = choose(data, parts[1] + parts[2])
    try:
        made = compose(patches, choice)
    except Conflict:
        # Hunks of one variation never conflict.
        assert len({part.variation_id for part in choice}) == 2
        return
    assert compose(patches, list(reversed(choice))) == made
    after = result(project, base, made)
    ours, theirs = (
        result(project, base, compose(patches, only(number, choice)))
        for number in patches
    )
    for path in after:
        merged = merge(project.parent, ours[path], base, theirs[path])
        assert merged is None or after[path] == merged


def draw_patch(project: Path, data: st.DataObject, base: bytes) -> bytes:
    """Draw a change of two files that are the same on the base."""
    commit(project, {"a.txt": base, "b.txt": base})
    tree: Tree = {}
    for name in ("a.txt", "b.txt"):
        tree[name] = data.draw(versions(base), label=name)
    return patch(project, tree)


def result(project: Path, base: bytes, made: bytes) -> Tree:
    """Return both files after a patch."""
    return applied(project, made) if made else {"a.txt": base, "b.txt": base}


def only(number: int, parts: list[ComposedPart]) -> list[ComposedPart]:
    """Return the parts of one variation."""
    return [part for part in parts if part.variation_id == number]


def all_hunks(number: int, made: bytes) -> list[ComposedPart]:
    """Name every hunk of a patch."""
    return [
        ComposedPart(
            variation_id=number, path=file.path, hunks=tuple(range(len(file.hunks)))
        )
        for file in parse(made)
    ]


def choose(data: st.DataObject, parts: list[ComposedPart]) -> list[ComposedPart]:
    """Draw some hunks of each part; parts without any are left out."""
    chosen = []
    for part in parts:
        hunks = data.draw(st.lists(st.sampled_from(part.hunks or ()), unique=True))
        if hunks:
            chosen.append(part.model_copy(update={"hunks": tuple(hunks)}))
    return chosen


def merge(scratch: Path, ours: bytes, base: bytes, theirs: bytes) -> bytes | None:
    """Merge two sides as git does; None where a person has to decide."""
    files = [scratch / name for name in ("ours", "base", "theirs")]
    for file, content in zip(files, (ours, base, theirs), strict=True):
        file.write_bytes(content)
    done = run(scratch, "merge-file", "-p", *map(str, files))
    return done.stdout if done.returncode == 0 else None
