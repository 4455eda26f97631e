"""Work that an attempt leaves elsewhere than in its files is taken along, or named."""

from pathlib import Path

import pytest

from aideator.changes.fork import Fork, fork
from aideator.changes.patch import Patch, extract
from aideator.domain.errors import PatchRejected
from aideator.sandbox.base import SandboxBackend
from tests.changes.extraction import (
    COMMIT,
    LIMITS,
    applied,
    checkout,
    work,
)
from tests.conftest import git

FIX = "sed -i 's/a - b/a + b/' calc.py"


async def after(
    backend: SandboxBackend, home: Path, repo: Path, script: str, **files: str
) -> Patch:
    """Extract what a script did in a project that has further files."""
    for name, content in files.items():
        path = repo / name.replace("__", "/").replace("dot_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    git(repo, "add", "-f", "-A")
    git(repo, "commit", "-q", "--allow-empty", "-m", "more files")
    async with fork(await checkout(home, repo), home, "one") as forked:
        await work(backend, forked, script)
        patch = await extract(forked, backend, limits=LIMITS)
        await applied(backend, forked, home, patch)
    return patch


@pytest.mark.parametrize("commit", ["", f"; {COMMIT} -qm all"])
async def test_an_ignored_file_that_was_added_by_force_is_taken(
    backend: SandboxBackend, home: Path, repo: Path, commit: str
) -> None:
    script = f"""
mkdir -p d; for name in a d/b "d/with space" 'd/*'; do echo 1 > "$name.json"; done
echo 1 > not-added.json; git add -f a.json d{commit}
"""
    patch = await after(backend, home, repo, script, dot_gitignore="*.json\n")
    assert patch.paths == ("a.json", "d/*.json", "d/b.json", "d/with space.json")
    assert patch.notes == (
        "new files that the project ignores are left out of the patch: not-added.json",
    )


async def test_what_is_added_by_force_with_all_the_rest_is_no_leftover_of_a_tool(
    backend: SandboxBackend, home: Path, repo: Path
) -> None:
    script = f"""
mkdir -p node_modules/a __pycache__; touch node_modules/a/index.js __pycache__/x.pyc
echo 1 > fixture.json; git add -f .; {COMMIT} -qm all
"""
    ignored = "*.json\nnode_modules\n"
    patch = await after(backend, home, repo, script, dot_gitignore=ignored)
    assert patch.paths == ("fixture.json",)
    (note,) = patch.notes
    assert "installed packages: node_modules/a/index.js" in note


@pytest.mark.parametrize(
    "poison",
    [
        "echo garbage > .git/index",
        "rm .git/index; mkfifo .git/index",
        "rm .git/index; ln -s /etc/passwd .git/index",
        "mv .git /tmp/x; ln -s /tmp/x .git",
        "rm -rf .git; ln -s . .git",
    ],
)
async def test_an_index_that_is_none_is_as_if_nothing_had_been_added(
    backend: SandboxBackend, home: Path, repo: Path, poison: str
) -> None:
    script = f"{FIX}; touch a.json; git add -f a.json; {poison}"
    patch = await after(backend, home, repo, script, dot_gitignore="*.json\n")
    assert patch.paths == ("calc.py",)


LEFTOVERS = """\
__pycache__/x.pyc .pytest_cache/a node_modules/a/index.js .venv/bin/python .coverage
htmlcov/index.html coverage/lcov.info dist/app.js build/lib/calc.py
calc.egg-info/PKG-INFO target/debug/app .next/cache/x .nyc_output/a.json .tox/py/x
.gradle/x npm-debug.log .calc.py.swp nohup.out .aider.chat.history.md calc.py.orig
core.123 src/calc.py~ web/.DS_Store web/coverage/lcov.info coverage.xml .#calc.py
"""
MAKE_LEFTOVERS = "; ".join(
    f"mkdir -p $(dirname '{path}'); echo x > '{path}'" for path in LEFTOVERS.split()
)


async def test_what_tools_leave_behind_is_left_out_with_a_note(
    backend: SandboxBackend, forked: Fork
) -> None:
    await work(backend, forked, f"{FIX}; {MAKE_LEFTOVERS}; git add -A")
    patch = await extract(forked, backend, limits=LIMITS)
    assert patch.paths == ("calc.py",)
    (note,) = patch.notes
    assert note.startswith("leftovers of tools are left out of the patch (")
    for kind in (
        "caches: .gradle/, .next/, .pytest_cache/, .tox/",
        "installed packages: .venv/, node_modules/",
        "coverage: .coverage, .nyc_output/, coverage.xml, coverage/, htmlcov/, web/cov",
        "build output: build/, calc.egg-info/, dist/, target/",
        "files of editors and desktops: .#calc.py, .aider.chat.history.md, .calc.py.sw",
        "logs and dumps: core.123, nohup.out, npm-debug.log",
    ):
        assert kind in note


async def test_what_tools_leave_behind_and_the_project_ignores_needs_no_note(
    backend: SandboxBackend, home: Path, repo: Path
) -> None:
    rules = "dist/\n.coverage\nnode_modules\n"
    script = "mkdir dist node_modules; touch dist/a .coverage node_modules/b new.py"
    patch = await after(backend, home, repo, script, dot_gitignore=rules)
    assert (patch.paths, patch.notes) == (("new.py",), ())


async def test_a_folder_in_which_the_project_tracks_files_holds_no_leftovers(
    backend: SandboxBackend, home: Path, repo: Path
) -> None:
    script = """
mkdir -p tools/build/deep build web/dist other/dist tests/data
touch tools/build/deep/new.py build/out web/dist/new.js other/dist/out
touch tests/data/b.orig c.orig
"""
    patch = await after(
        backend,
        home,
        repo,
        script,
        tools__build__make="x",
        web__dist__old="x",
        tests__data__a_orig="x",
        **{"tests__data__a.orig": "x"},
    )
    assert patch.paths == (
        "c.orig",
        "tests/data/b.orig",
        "tools/build/deep/new.py",
        "web/dist/new.js",
    )
    (note,) = patch.notes
    assert "(build output: build/, other/dist/)" in note


async def test_a_rule_of_the_change_takes_a_leftover_along(
    backend: SandboxBackend, home: Path, repo: Path
) -> None:
    script = "mkdir dist build; touch dist/a build/b; echo '!/dist/' > .gitignore"
    patch = await after(backend, home, repo, script)
    assert patch.paths == (".gitignore", "dist/a")


async def test_a_folder_that_shadows_the_runner_is_not_in_the_patch_as_coverage(
    backend: SandboxBackend, forked: Fork
) -> None:
    await work(backend, forked, "mkdir coverage; touch coverage/__init__.py")
    patch = await extract(forked, backend, limits=LIMITS)
    assert patch.paths == ()
    assert "coverage: coverage/" in patch.notes[0]


ELSEWHERE = {
    "a branch": (
        f"git checkout -qb fix; {FIX}; {COMMIT} -qam x; git checkout -q base",
        "the branch fix",
    ),
    "packed refs": (
        f"git checkout -qb fix; {FIX}; {COMMIT} -qam x; git checkout -q base;"
        " git pack-refs --all; git gc -q",
        "the branch fix",
    ),
    "a branch on a branch": (
        f"git checkout -qb one; touch a; git add a; {COMMIT} -qam x;"
        f" git checkout -qb two; {FIX}; rm a; {COMMIT} -qam y; git checkout -q base",
        "the branch two",
    ),
    "a stash": (f"{FIX}; {COMMIT[:-7]} stash -q", "a stash"),
    "a stash of untracked files": (
        f"{FIX}; touch new.py; {COMMIT[:-7]} stash -qu",
        "a stash",
    ),
    "a detached HEAD": (
        f"git checkout -q --detach; {FIX}; {COMMIT} -qam x; git checkout -q base",
        "the commit ",
    ),
    "a commit that was reset": (
        f"{FIX}; {COMMIT} -qam x; git reset -q --hard HEAD~",
        "the commit ",
    ),
    "a tag": (
        f"{FIX}; {COMMIT} -qam x; git tag t; git reset -q --hard HEAD~;"
        " rm -r .git/logs",
        "the tag t",
    ),
    "a worktree": (
        f"git worktree add -q /tmp/wt; cd /tmp/wt; {FIX}; {COMMIT} -qam x",
        "the branch wt",
    ),
}


@pytest.mark.parametrize("where", ELSEWHERE)
async def test_work_that_lies_in_git_alone_is_taken_if_the_tree_has_no_change(
    backend: SandboxBackend, home: Path, repo: Path, where: str
) -> None:
    script, name = ELSEWHERE[where]
    patch = await after(backend, home, repo, script)
    assert b"+    return a + b\n" in patch.data
    expected = {"calc.py", "new.py"} if "untracked" in where else {"calc.py"}
    assert set(patch.paths) == expected
    (note,) = patch.notes
    assert note.startswith(f"the work tree had no change; the patch is that of {name}")


@pytest.mark.parametrize("where", ELSEWHERE)
async def test_work_that_lies_in_git_beside_the_tree_is_named(
    backend: SandboxBackend, home: Path, repo: Path, where: str
) -> None:
    script, name = ELSEWHERE[where]
    patch = await after(
        backend, home, repo, f"({script}); cd /workspace; touch other.py"
    )
    assert patch.paths == ("other.py",)
    (note,) = patch.notes
    assert note.startswith(name)
    assert "has work that is not in the patch: calc.py" in note


@pytest.mark.parametrize(
    "script",
    [
        f"{FIX}; {COMMIT} -qam x; touch new.py; git add .; {COMMIT} -q --amend -m y",
        f"{FIX}; {COMMIT} -qam x; {COMMIT} -q --amend -m y; touch new.py",
        f"git checkout -qb fix; {FIX}; {COMMIT} -qam x; git checkout -q base;"
        " git merge -q fix; git branch -d fix; touch new.py",
        f"git checkout -qb fix; {FIX}; {COMMIT} -qam x; git checkout -q base;"
        " git merge -q --squash fix; touch new.py",
        f"{FIX}; {COMMIT[:-7]} stash -q; touch new.py; git stash pop -q",
        f"git checkout -qb fix; {FIX}; touch new.py; git add .; {COMMIT} -qam x",
    ],
)
async def test_work_in_git_that_the_tree_has_as_well_is_not_named(
    backend: SandboxBackend, home: Path, repo: Path, script: str
) -> None:
    patch = await after(backend, home, repo, script)
    assert patch.paths == ("calc.py", "new.py")
    assert patch.notes == ()


async def test_several_branches_are_named_and_none_is_chosen(
    backend: SandboxBackend, home: Path, repo: Path
) -> None:
    script = f"""
git checkout -qb one; {FIX}; {COMMIT} -qam x; git checkout -q base
git checkout -qb two; touch b.py __init__.pyc; git add -f .; {COMMIT} -qam x
git checkout -q base
"""
    patch = await after(backend, home, repo, script)
    assert patch.data == b""
    assert set(patch.notes) == {
        "the branch one has work that is not in the patch: calc.py",
        "the branch two has work that is not in the patch: b.py",
    }


FORGED_TREE = r"""
blob=$(echo '[core]' | git hash-object -w --stdin)
tree=$(printf '100644 blob %s\t.GIT\n100644 blob %s\tnew.py\n' $blob $blob | git mktree)
git update-ref refs/heads/evil $(git -c user.name=a -c user.email=a@b commit-tree \
  -p HEAD -m x $tree)
"""


@pytest.mark.parametrize(
    "script",
    [
        FORGED_TREE,
        "echo 1234567890123456789012345678901234567890 > .git/refs/heads/lost",
        "echo garbage > .git/refs/heads/lost; mkfifo .git/refs/heads/pipe",
        "rm -rf .git/refs; ln -s /etc .git/refs",
        "rm -rf .git/objects; echo 1234567890123456789012345678901234567890"
        " > .git/refs/heads/lost",
        f"git checkout -qb fix; {FIX}; {COMMIT} -qam x; git checkout -q base;"
        " for o in .git/objects/??/*; do chmod u+w $o; echo garbage > $o; done",
    ],
)
async def test_forged_and_broken_git_data_never_costs_the_change(
    backend: SandboxBackend, home: Path, repo: Path, script: str
) -> None:
    patch = await after(backend, home, repo, f"{script}\ntouch other.py")
    assert patch.paths == ("other.py",)
    alone = await after(backend, home, repo, script)
    assert b".GIT" not in alone.data


async def test_a_repository_that_the_attempt_began_is_taken_as_files(
    backend: SandboxBackend, home: Path, repo: Path
) -> None:
    script = f"""
git init -q unborn; touch unborn/file
mkdir -p web/app; cd web/app; git init -q; mkdir src node_modules
touch src/a.js node_modules/b.js; git add src; {COMMIT} -qm x; touch later.js
"""
    patch = await after(backend, home, repo, script)
    assert patch.paths == ("unborn/file", "web/app/later.js", "web/app/src/a.js")
    assert patch.notes == (
        "unborn is a repository of its own; its files are in the patch, its history is"
        " not",
        "web/app is a repository of its own; its files are in the patch, its history is"
        " not",
    )


async def test_a_file_that_is_too_large_is_left_out_alone(
    backend: SandboxBackend, home: Path, repo: Path
) -> None:
    async with fork(await checkout(home, repo), home, "one") as forked:
        script = f"""
{FIX}; head -c 3000000 /dev/urandom > big.bin; truncate -s 900M sparse.bin
head -c 1000000 /dev/urandom > a.bin; head -c 900000 /dev/urandom > b.bin
"""
        await work(backend, forked, script)
        patch = await extract(forked, backend, limits=LIMITS, max_bytes=2**20 * 2)
        assert patch.paths == ("b.bin", "calc.py")
        assert set(patch.notes) == {
            f"{name} is too large for a patch; it is left out of the patch"
            for name in ("a.bin", "big.bin", "sparse.bin")
        }
        await applied(backend, forked, home, patch)


async def test_a_change_of_too_many_files_is_rejected(
    backend: SandboxBackend, forked: Fork
) -> None:
    await work(
        backend,
        forked,
        "for i in {1..60}; do head -c 90000 /dev/urandom > $i.bin; done",
    )
    with pytest.raises(PatchRejected, match="too large"):
        await extract(forked, backend, limits=LIMITS, max_bytes=2**20)
