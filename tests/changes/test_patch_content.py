"""A patch contains each kind of change byte for byte, and notes what it leaves out."""

from pathlib import Path

import pytest

from aideator.changes.diff import parse
from aideator.changes.fork import Fork, fork
from aideator.changes.patch import Patch, extract
from aideator.domain.verdict import PatchStats
from aideator.sandbox.base import SandboxBackend
from tests.changes.extraction import (
    COMMIT,
    LIMITS,
    applied,
    checkout,
    listing,
    work,
)
from tests.conftest import git

ALL_KINDS = r"""
sed -i 's/a - b/a + b/' calc.py
git add calc.py; git -c user.name=a -c user.email=a@b commit -qm 'fixed'
printf 'staged\n' > staged.txt; git add staged.txt
printf 'no newline' > untracked.txt
printf '\0\1\2\377' > data.bin
rm test_calc.py
ln -s /etc/passwd link; ln -s nowhere dangling
mkdir -p deep/er; printf 'x\r\n\fy\n' > deep/er/crlf.txt
printf '#!/bin/sh\n' > tool; chmod +x tool
printf 'odd' > $'odd \xff\xe9 "name"\n\t\e[31m'
touch empty
"""


async def test_every_kind_of_change_arrives_byte_for_byte(
    backend: SandboxBackend, forked: Fork, home: Path
) -> None:
    await work(backend, forked, ALL_KINDS)
    async with backend.open(forked.result, LIMITS) as sandbox:
        left = await listing(sandbox)
    patch = await extract(forked, backend, limits=LIMITS)
    assert patch.notes == ()
    assert patch.stats == PatchStats(files=11, additions=9, deletions=12)
    assert set(patch.paths) >= {
        "calc.py",
        "data.bin",
        "deep/er/crlf.txt",
        'odd \\xff\\xe9 "name"\n\t\x1b[31m',
    }
    assert b"+    return a + b\n" in patch.data
    assert await applied(backend, forked, home, patch) == left


async def test_no_change_is_an_empty_patch_that_applies(
    backend: SandboxBackend, forked: Fork, home: Path
) -> None:
    await work(
        backend,
        forked,
        "cat calc.py; git status; python3 -m unittest -q || true; touch calc.py;"
        " git gc -q",
    )
    patch = await extract(forked, backend, limits=LIMITS)
    assert patch == Patch(b"")
    await applied(backend, forked, home, patch)


async def test_a_change_that_keeps_size_and_time_is_still_seen(
    backend: SandboxBackend, forked: Fork
) -> None:
    await work(
        backend,
        forked,
        "cp -p calc.py /tmp/old; sed -i 's/a - b/a + b/' calc.py;"
        " touch -r /tmp/old calc.py; git status",
    )
    assert (await extract(forked, backend, limits=LIMITS)).paths == ("calc.py",)


async def test_what_the_project_ignores_and_common_debris_stay_behind(
    backend: SandboxBackend, forked: Fork
) -> None:
    await work(backend, forked, "echo '*.log' > .gitignore; echo x > a.log")
    await work(
        backend,
        forked,
        "mkdir -p __pycache__ node_modules/x; touch __pycache__/a.pyc node_modules/x/y",
    )
    assert (await extract(forked, backend, limits=LIMITS)).paths == (".gitignore",)


async def test_a_debris_name_that_the_project_tracks_is_no_debris(
    backend: SandboxBackend, home: Path, repo: Path
) -> None:
    (repo / "node_modules").mkdir()
    (repo / "node_modules" / "kept.js").write_text("1\n")
    git(repo, "add", "-f", ".")
    git(repo, "commit", "-q", "-m", "vendored")
    async with fork(await checkout(home, repo), home, "one") as forked:
        await work(backend, forked, "echo 2 > node_modules/kept.js")
        assert (await extract(forked, backend, limits=LIMITS)).paths == (
            "node_modules/kept.js",
        )


@pytest.mark.parametrize(
    ("make", "note"),
    [
        (
            f"git init -q n; cd n; {COMMIT} -q --allow-empty -m x",
            "n is a repository",
        ),
        ("git clone -q . copy", "copy is a repository"),
        (f"{COMMIT} -q --allow-empty -m x; git worktree add -q wt", "wt is a repo"),
        ("echo secret > locked; chmod 000 locked", "locked cannot be read"),
        (
            "mkdir closed; echo secret > closed/file; chmod 000 closed",
            "closed cannot be read",
        ),
        ("rm calc.py; mkfifo calc.py", "calc.py is neither a file nor a link"),
    ],
)
async def test_what_cannot_be_taken_along_is_noted(
    backend: SandboxBackend, forked: Fork, make: str, note: str
) -> None:
    await work(backend, forked, f"echo new > new.txt; ({make})")
    patch = await extract(forked, backend, limits=LIMITS)
    assert patch.paths == ("new.txt",)
    assert len(patch.notes) == 1
    assert patch.notes[0].startswith(note)
    assert patch.notes[0].endswith("left out of the patch")


ODD_NAMES = r"""
import os
for folder in (".GIT", ".g\u200cit", "deep/.Git ", ".GIT/line\nend", ".git\u200c"):
    os.makedirs(folder, exist_ok=True)
    open(folder + "/config", "w").write("[core]\n")
open("git~1", "w").write("x")
os.symlink("calc.py", ".gitmodules")
open("new.txt", "w").write("new")
"""


async def test_an_odd_name_costs_its_own_file_and_not_the_change(
    backend: SandboxBackend, forked: Fork, home: Path
) -> None:
    await work(backend, forked, f"python3 - <<'EOF'\n{ODD_NAMES}EOF")
    patch = await extract(forked, backend, limits=LIMITS)
    assert patch.paths == ("new.txt",)
    assert {
        note.partition(" has a name that git refuses")[0] for note in patch.notes
    } == {
        ".GIT/config",
        ".GIT/line\nend/config",
        ".g\u200cit/config",
        ".git\u200c/config",
        "deep/.Git /config",
        ".gitmodules",
        "git~1",
    }
    assert all(note.endswith("left out of the patch") for note in patch.notes)
    await applied(backend, forked, home, patch)


@pytest.mark.parametrize(
    "attribute",
    [
        "working-tree-encoding=UTF-16",
        "working-tree-encoding=UTF-32",
        "working-tree-encoding=no-such",
        "working-tree-encoding",
    ],
)
async def test_a_file_that_is_not_in_its_encoding_is_left_out_alone(
    backend: SandboxBackend, forked: Fork, home: Path, attribute: str
) -> None:
    script = f"""
echo '*.txt {attribute}' > .gitattributes
sed -i 's/a - b/a + b/' calc.py
echo one > one.txt; echo two > $'t\\x01w\no.txt'; mkdir -p '[d]'; echo 3 > '[d]/*.txt'
"""
    await work(backend, forked, script)
    patch = await extract(forked, backend, limits=LIMITS)
    assert patch.paths == (".gitattributes", "calc.py")
    assert len(patch.notes) == 3
    assert all("is not in the encoding" in note for note in patch.notes)
    assert any(note.startswith("[d]/*.txt ") for note in patch.notes)
    await applied(backend, forked, home, patch)


async def test_many_files_left_out_are_counted_and_not_all_named(
    backend: SandboxBackend, forked: Fork
) -> None:
    await work(backend, forked, "mkdir .GIT; touch .GIT/{1..500}; echo new > new.txt")
    patch = await extract(forked, backend, limits=LIMITS)
    assert patch.paths == ("new.txt",)
    assert len(patch.notes) == 21
    assert patch.notes[-1].startswith("480 more remarks")


@pytest.mark.parametrize(
    ("make", "paths", "note"),
    [
        (
            "echo '*' > .gitignore; touch a.py b.py",
            (".gitignore",),
            "new files are ignored by a rule that this change adds (.gitignore),"
            " and left out of the patch: a.py, b.py",
        ),
        (
            "mkdir d; echo '*' > d/.gitignore; touch d/a.py",
            (),
            "new files are ignored by a rule that this change adds (d/.gitignore),"
            " and left out of the patch: d/.gitignore, d/a.py",
        ),
        (
            "mkdir -p src/deep; echo '*.gen' > src/.gitignore;"
            " touch src/deep/x.gen src/kept",
            ("src/.gitignore", "src/kept"),
            "new files are ignored by a rule that this change adds (src/.gitignore),"
            " and left out of the patch: src/deep/x.gen",
        ),
        (
            "echo '!logs/' > .gitignore; echo '*.tmp' >> .gitignore;"
            " mkdir logs; touch a.tmp logs/b.tmp logs/c.log",
            (".gitignore", "logs/c.log"),
            "new files are ignored by a rule that this change adds (.gitignore),"
            " and left out of the patch: a.tmp, logs/b.tmp",
        ),
        (
            "mkdir -p out; touch {1..9}.tmp out/{10..15}.tmp; echo '*.tmp' >.gitignore",
            (".gitignore",),
            "new files are ignored by a rule that this change adds (.gitignore),"
            " and left out of the patch: 1.tmp, 2.tmp, 3.tmp, 4.tmp, 5.tmp, 6.tmp,"
            " 7.tmp, 8.tmp, 9.tmp, out/10.tmp and 5 more",
        ),
        (
            "echo x > a.log; mkdir -p deep/logs; touch deep/b.log deep/logs/c",
            ("deep/logs/c",),
            "new files that the project ignores are left out of the patch: a.log,"
            " deep/b.log",
        ),
        (
            "rm .gitignore; echo '*.log' > .gitignore; touch a.log",
            (),
            "new files that the project ignores are left out of the patch: a.log",
        ),
        (
            "echo '__pycache__' > .gitignore; mkdir __pycache__; touch __pycache__/a",
            (".gitignore",),
            "",
        ),
    ],
)
async def test_new_files_that_a_rule_hides_are_listed_in_a_note(
    backend: SandboxBackend,
    home: Path,
    repo: Path,
    make: str,
    paths: tuple[str, ...],
    note: str,
) -> None:
    (repo / ".gitignore").write_text("*.log\n")
    git(repo, "add", ".")
    git(repo, "commit", "-q", "-m", "ignore logs")
    async with fork(await checkout(home, repo), home, "one") as forked:
        await work(backend, forked, make)
        patch = await extract(forked, backend, limits=LIMITS)
    assert patch.notes == ((note,) if note else ())
    assert patch.paths == paths


async def test_pipes_sockets_deep_folders_and_empty_ones_do_not_hold_it_up(
    backend: SandboxBackend, forked: Fork
) -> None:
    script = """
mkfifo pipe; mkfifo calc.fifo; mkdir empty
python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("sock")'
python3 -c 'import os
for _ in range(1500): os.mkdir("d"); os.chdir("d")'
ln -s . loop; ln -s loop loop2
echo new > new.txt
"""
    await work(backend, forked, script)
    assert (await extract(forked, backend, limits=LIMITS)).paths == (
        "loop",
        "loop2",
        "new.txt",
    )


async def test_a_renamed_file_is_removed_and_added_and_counts_once(
    backend: SandboxBackend, forked: Fork, home: Path
) -> None:
    await work(backend, forked, "git mv calc.py sum.py")
    patch = await extract(forked, backend, limits=LIMITS)
    assert patch.paths == ("calc.py", "sum.py")
    assert patch.stats == PatchStats(files=1)
    found = [(file.path, file.status) for file in parse(patch.data)]
    assert found == [("calc.py", "removed"), ("sum.py", "added")]
    async with backend.open(forked.result, LIMITS) as sandbox:
        assert await applied(backend, forked, home, patch) == await listing(sandbox)


async def test_a_file_may_become_a_folder_and_a_folder_s_name_a_link(
    backend: SandboxBackend, forked: Fork, home: Path
) -> None:
    await work(
        backend,
        forked,
        "rm calc.py test_calc.py; ln -s test_calc.py calc.py;"
        " mkdir test_calc.py; touch test_calc.py/x",
    )
    patch = await extract(forked, backend, limits=LIMITS)
    assert set(patch.paths) == {"calc.py", "test_calc.py", "test_calc.py/x"}
    async with backend.open(forked.result, LIMITS) as sandbox:
        assert await applied(backend, forked, home, patch) == await listing(sandbox)


async def test_a_tree_without_a_single_file_left_is_a_change_like_any_other(
    backend: SandboxBackend, forked: Fork, home: Path
) -> None:
    await work(backend, forked, "rm -rf * .git")
    patch = await extract(forked, backend, limits=LIMITS)
    assert patch.stats == PatchStats(files=2, deletions=17)
    assert await applied(backend, forked, home, patch) == b""


async def test_line_ends_that_the_project_converts_arrive_byte_for_byte(
    backend: SandboxBackend, home: Path, repo: Path
) -> None:
    (repo / ".gitattributes").write_text(
        "*.py text eol=crlf\n*.u16 text working-tree-encoding=UTF-16LE eol=lf\n"
    )
    (repo / "a.u16").write_bytes("one\ntwo\n".encode("utf-16-le"))
    git(repo, "add", "-A")
    git(repo, "commit", "-q", "-m", "line ends")
    async with fork(await checkout(home, repo), home, "one") as forked:
        await work(
            backend,
            forked,
            "sed -i 's/a - b/a + b/' calc.py; printf 't\\0w\\0o\\0\\n\\0' > a.u16;"
            " grep -q $'\\r' calc.py",
        )
        patch = await extract(forked, backend, limits=LIMITS)
        assert patch.paths == ("a.u16", "calc.py")
        async with backend.open(forked.result, LIMITS) as sandbox:
            assert await applied(backend, forked, home, patch) == await listing(sandbox)


async def test_the_index_is_warm_in_every_fork(
    backend: SandboxBackend, forked: Fork
) -> None:
    async with backend.open(forked.tree, LIMITS) as sandbox:
        assert (await sandbox.exec(["git", "status", "--porcelain"])).exit_code == 0
    # git writes an index that it had to refresh, and it would land here.
    assert not (forked.upper / ".git" / "index").exists()


async def test_git_init_in_a_folder_of_the_project_hides_nothing(
    backend: SandboxBackend, home: Path, repo: Path
) -> None:
    (repo / "src").mkdir()
    (repo / "src" / "a.py").write_text("1\n")
    git(repo, "add", ".")
    git(repo, "commit", "-q", "-m", "src")
    async with fork(await checkout(home, repo), home, "one") as forked:
        await work(
            backend,
            forked,
            "cd src; echo 2 > a.py; echo new > b.py; git init -q; git add a.py",
        )
        patch = await extract(forked, backend, limits=LIMITS)
        assert patch.paths == ("src/a.py", "src/b.py")
        assert patch.notes == ()
