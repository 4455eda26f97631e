"""Changes come out of a hostile tree as a patch, and go into a clean one, both inside real sandboxes."""

import os
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from aideator.changes.fork import Fork, fork
from aideator.changes.patch import Patch, apply, extract
from aideator.domain.errors import PatchRejected, SandboxUnavailable
from aideator.domain.verdict import PatchStats
from aideator.repositories.cache import RepositoryCache
from aideator.repositories.checkout import Checkout
from aideator.repositories.source import SourcePolicy
from aideator.sandbox.base import Bind, Finding, Limits, Sandbox, SandboxBackend, Tree
from aideator.sandbox.registry import open_backend
from tests.conftest import git

LIMITS = Limits(cpus=2.0)


@pytest.fixture(scope="session")
async def why_no_sandbox() -> str:
    """Why no sandbox can be opened on this machine, or nothing."""
    with tempfile.TemporaryDirectory(prefix="aid-") as ground:
        tree = Path(ground, "tree")
        os.chmod(ground, 0o711)  # noqa: PTH101
        os.mkdir(tree)  # noqa: PTH102
        backend = open_backend("bubblewrap", runtime_dir=Path(ground, "run"))
        try:
            async with backend.open(Tree(layers=(tree,)), LIMITS):
                return ""
        except SandboxUnavailable as error:
            return f"no sandbox here: {error}"


@pytest.fixture
async def backend(home: Path, why_no_sandbox: str) -> SandboxBackend:
    if why_no_sandbox:
        pytest.skip(why_no_sandbox)
    return open_backend("bubblewrap", runtime_dir=home / "run")


@pytest.fixture
async def forked(home: Path, repo: Path) -> AsyncIterator[Fork]:
    async with fork(await checkout(home, repo), home, "one") as made:
        yield made


async def checkout(home: Path, repo: Path) -> Checkout:
    cache = RepositoryCache(home, policy=SourcePolicy(frozenset(), allow_local=True))
    return await cache.checkout(await cache.resolve(str(repo)))


async def work(backend: SandboxBackend, forked: Fork, script: str) -> None:
    """Do what an agent does."""
    async with backend.open(forked.tree, LIMITS) as sandbox:
        done = await sandbox.exec(["bash", "-ec", script], timeout=60)
        assert done.exit_code == 0, done.stderr


async def listing(sandbox: Sandbox) -> bytes:
    """Every file with its mode, kind, content or target; git's own folder left out."""
    script = """
find . -path ./.git -prune -o ! -type d -printf '%m %y %l %p\\0' | sort -z
find . -path ./.git -prune -o -type f -print0 | sort -z | xargs -0r sha256sum -z
"""
    return (await sandbox.exec(["sh", "-c", script])).stdout


async def applied(
    backend: SandboxBackend, forked: Fork, home: Path, patch: Patch
) -> bytes:
    async with (
        fork(forked.checkout, home, "clean") as clean,
        backend.open(clean.tree, LIMITS) as sandbox,
    ):
        await apply(sandbox, patch)
        return await listing(sandbox)


ALL_KINDS = r"""
sed -i 's/a - b/a + b/' calc.py
git add calc.py; git -c user.name=a -c user.email=a@b commit -qm 'fixed'
printf 'staged\n' > staged.txt; git add staged.txt
printf 'no newline' > untracked.txt
printf '\0\1\2\377' > data.bin
rm test_calc.py
ln -s /etc/passwd link; ln -s nowhere dangling
mkdir -p deep/er; printf 'x\r\n\fy\n' > deep/er/crlf.txt; printf '#!/bin/sh\n' > tool; chmod +x tool
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
        "cat calc.py; git status; python3 -m unittest -q || true; touch calc.py; git gc -q",
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
        "cp -p calc.py /tmp/old; sed -i 's/a - b/a + b/' calc.py; touch -r /tmp/old calc.py; git status",
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
    "poison",
    [
        "rm -rf .git",
        "rm -rf .git; echo 'gitdir: /nowhere' > .git",
        "rm -rf .git; ln -s /etc .git",
        "rm -rf .git; mkfifo .git",
        "rm -rf .git; git init -q; git add -A; git -c user.name=a -c user.email=a@b commit -qm mine",
        "echo garbage > .git/index; echo garbage > .git/HEAD; echo garbage > .git/config",
        "git update-index --assume-unchanged calc.py",
        "git update-index --skip-worktree calc.py",
        "git config core.worktree /usr",
        "git config core.bare true",
        "echo '*' > .git/info/exclude || { mkdir .git/info; echo '*' > .git/info/exclude; }",
        "git config core.excludesFile /workspace/all; echo '*' > .git/all",
        "git config core.fileMode false; git config core.symlinks false; git config core.quotePath false",
        "git config diff.noprefix true; git config diff.mnemonicPrefix true; git config diff.algorithm patience",
        "mkdir -p .git/info; echo '*.py -diff' > .git/info/attributes",
        "mkdir -p .git/objects/info; echo /usr > .git/objects/info/alternates",
        "git checkout -q --orphan new; git rm -q -f --cached -r .",
        "git replace HEAD $(git -c user.name=a -c user.email=a@b commit-tree -m x $(git write-tree)) || true",
    ],
)
async def test_a_deleted_or_poisoned_git_folder_changes_nothing(
    backend: SandboxBackend, forked: Fork, poison: str
) -> None:
    await work(backend, forked, f"sed -i 's/a - b/a + b/' calc.py; {poison}")
    patch = await extract(forked, backend, limits=LIMITS)
    assert patch.stats == PatchStats(files=1, additions=1, deletions=1)
    assert patch.paths == ("calc.py",)
    assert patch.notes == ()


# Each plants a program; `naive` is what a careless caller would run and what starts it.
VECTORS = {
    "fsmonitor": ("git config core.fsmonitor /workspace/.git/evil", "git status"),
    "clean filter": (
        "echo '* filter=evil' > .gitattributes; git config filter.evil.clean /workspace/.git/evil",
        "git add -A",
    ),
    "smudge filter": (
        "echo '* filter=evil' > .gitattributes; git config filter.evil.smudge /workspace/.git/evil",
        "rm calc.py; git checkout calc.py",
    ),
    "filter process": (
        "echo '* filter=evil' > .gitattributes; git config filter.evil.process /workspace/.git/evil",
        "git add -A",
    ),
    "textconv": (
        "echo '* diff=evil' > .gitattributes; git config diff.evil.textconv /workspace/.git/evil",
        "git diff HEAD",
    ),
    "diff driver": (
        "echo '* diff=evil' > .gitattributes; git config diff.evil.command /workspace/.git/evil",
        "git diff HEAD",
    ),
    "external diff": ("git config diff.external /workspace/.git/evil", "git diff HEAD"),
    "hook on the index": (
        "mkdir -p .git/hooks; cp .git/evil .git/hooks/post-index-change",
        "git add -A",
    ),
    "hook on commit": (
        "mkdir -p .git/hooks; cp .git/evil .git/hooks/pre-commit",
        "git -c user.name=a -c user.email=a@b commit -qam x",
    ),
    "hooks path": (
        "git config core.hooksPath /workspace/h; mkdir h; cp .git/evil h/post-index-change",
        "git add -A",
    ),
    "include": (
        "printf '[core]\\nfsmonitor = /workspace/.git/evil\\n' > inc; git config include.path /workspace/inc",
        "git status",
    ),
    "git file": (
        "mv .git real; git config -f real/config core.fsmonitor /workspace/real/evil; echo 'gitdir: real' > .git",
        "git status",
    ),
    "nested fsmonitor": (
        "git init -q n; cd n; git -c user.name=a -c user.email=a@b commit -q --allow-empty -m x; "
        "git config core.fsmonitor /workspace/.git/evil; cd ..; git add n; touch n/x",
        "git status",
    ),
    "merge driver": (
        "echo '* merge=evil' > .gitattributes; git config merge.evil.driver /workspace/.git/evil",
        "git stash -q; echo '# x' >> calc.py; git -c user.name=a -c user.email=a@b commit -qam y; git stash pop",
    ),
    "alias": ("git config alias.st '!/workspace/.git/evil'", "git st"),
    "gpg": (
        "git config gpg.program /workspace/.git/evil; git config commit.gpgSign true",
        "git -c user.name=a -c user.email=a@b commit -qam x",
    ),
    "editor": (
        "git config core.editor /workspace/.git/evil",
        "git -c user.name=a -c user.email=a@b commit -a",
    ),
}
EVIL = r"""
printf '#!/bin/sh\ntouch /tmp/fired\ncat 2>/dev/null\n' > .git/evil; chmod +x .git/evil
sed -i 's/a - b/a + b/' calc.py
"""


class Watched:
    """A real back end whose sandboxes are looked at before they end: did a planted program run inside?"""

    name = "watched"
    runtime = None

    def __init__(self, inner: SandboxBackend) -> None:
        self._inner = inner
        self.fired: list[bool] = []

    @asynccontextmanager
    async def open(
        self,
        tree: Tree,
        limits: Limits,
        *,
        binds: Sequence[Bind] = (),
        gateway: Path | None = None,
    ) -> AsyncIterator[Sandbox]:
        async with self._inner.open(
            tree, limits, binds=binds, gateway=gateway
        ) as sandbox:
            yield sandbox
            self.fired.append(
                (await sandbox.exec(["test", "-e", "/tmp/fired"])).exit_code == 0
            )

    async def check(self) -> list[Finding]:
        return await self._inner.check()


@pytest.mark.parametrize("vector", VECTORS)
async def test_a_planted_program_never_runs_with_our_call_and_does_with_a_naive_one(
    backend: SandboxBackend, forked: Fork, vector: str
) -> None:
    plant, naive = VECTORS[vector]
    await work(backend, forked, EVIL + plant)
    ours = Watched(backend)
    patch = await extract(forked, ours, limits=LIMITS)
    assert ours.fired == [False]
    assert "calc.py" in patch.paths
    control = Watched(backend)
    async with control.open(forked.tree, LIMITS) as sandbox:
        await sandbox.exec(
            ["sh", "-c", naive], env={"GIT_TERMINAL_PROMPT": "0"}, timeout=20
        )
    assert control.fired == [True], "the vector is real"


@pytest.mark.parametrize(
    ("make", "note"),
    [
        (
            "git init -q n; cd n; git -c user.name=a -c user.email=a@b commit -q --allow-empty -m x",
            "n is a repository",
        ),
        ("git init -q unborn; touch unborn/file", "unborn is a repository"),
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


async def test_a_file_may_become_a_folder_and_a_folder_s_name_a_link(
    backend: SandboxBackend, forked: Fork, home: Path
) -> None:
    await work(
        backend,
        forked,
        "rm calc.py test_calc.py; ln -s test_calc.py calc.py; mkdir test_calc.py; touch test_calc.py/x",
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
            "sed -i 's/a - b/a + b/' calc.py; printf 't\\0w\\0o\\0\\n\\0' > a.u16; grep -q $'\\r' calc.py",
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


async def test_a_change_above_the_cap_is_rejected(
    backend: SandboxBackend, forked: Fork
) -> None:
    await work(backend, forked, "head -c 3000000 /dev/urandom > big.bin")
    assert len((await extract(forked, backend, limits=LIMITS)).data) > 3_000_000
    with pytest.raises(PatchRejected, match="too large"):
        await extract(forked, backend, limits=LIMITS, max_bytes=2**20)


async def test_a_patch_that_does_not_fit_is_rejected(
    backend: SandboxBackend, forked: Fork, home: Path
) -> None:
    await work(backend, forked, "sed -i 's/a - b/a + b/' calc.py")
    patch = await extract(forked, backend, limits=LIMITS)
    for wrong in (
        patch.data.replace(b"a - b", b"a * b"),
        b"garbage\n",
        patch.data.replace(b"calc.py", b"../up.py"),
    ):
        with pytest.raises(PatchRejected, match="does not apply"):
            await applied(backend, forked, home, Patch(wrong))


async def test_a_patch_cannot_write_through_a_link_or_into_git(
    backend: SandboxBackend, forked: Fork, home: Path
) -> None:
    through = (
        b"diff --git a/l b/l\nnew file mode 120000\n--- /dev/null\n+++ b/l\n@@ -0,0 +1 @@\n+/tmp\n"
        b"\\ No newline at end of file\n"
        b"diff --git a/l/x b/l/x\nnew file mode 100644\n--- /dev/null\n+++ b/l/x\n@@ -0,0 +1 @@\n+x\n"
    )
    hook = b"diff --git a/.git/x b/.git/x\nnew file mode 100755\n--- /dev/null\n+++ b/.git/x\n@@ -0,0 +1 @@\n+x\n"
    for wrong in (through, hook):
        with pytest.raises(PatchRejected):
            await applied(backend, forked, home, Patch(wrong))


async def test_the_host_tree_and_the_checkout_stay_as_they_were(
    backend: SandboxBackend, forked: Fork
) -> None:
    before = {
        path: path.lstat().st_ctime_ns for path in forked.checkout.path.rglob("*")
    }
    await work(backend, forked, "rm -rf calc.py .git; echo x > test_calc.py")
    await extract(forked, backend, limits=LIMITS)
    assert {
        path: path.lstat().st_ctime_ns for path in forked.checkout.path.rglob("*")
    } == before
