"""Extracting and applying a patch is safe, whatever an agent has left in the tree."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from aideator.changes.fork import Fork
from aideator.changes.patch import Patch, extract
from aideator.domain.errors import PatchRejected
from aideator.domain.verdict import PatchStats
from aideator.sandbox.base import Bind, Finding, Limits, Sandbox, SandboxBackend, Tree
from tests.changes.extraction import COMMIT, LIMITS, applied, work


@pytest.mark.parametrize(
    "poison",
    [
        "rm -rf .git",
        "rm -rf .git; echo 'gitdir: /nowhere' > .git",
        "rm -rf .git; ln -s /etc .git",
        "rm -rf .git; mkfifo .git",
        f"rm -rf .git; git init -q; git add -A; {COMMIT} -qm mine",
        "for file in index HEAD config; do echo garbage > .git/$file; done",
        "git update-index --assume-unchanged calc.py",
        "git update-index --skip-worktree calc.py",
        "git config core.worktree /usr",
        "git config core.bare true",
        "mkdir -p .git/info; echo '*' > .git/info/exclude",
        "git config core.excludesFile /workspace/all; echo '*' > .git/all",
        "for key in fileMode symlinks quotePath; do git config core.$key false; done",
        "git config diff.noprefix true; git config diff.mnemonicPrefix true;"
        " git config diff.algorithm patience",
        "mkdir -p .git/info; echo '*.py -diff' > .git/info/attributes",
        "mkdir -p .git/objects/info; echo /usr > .git/objects/info/alternates",
        "git checkout -q --orphan new; git rm -q -f --cached -r .",
        f"git replace HEAD $({COMMIT}-tree -m x $(git write-tree)) || true",
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


PROGRAM = "/workspace/.git/evil"
ATTRIBUTES = "echo '* {}=evil' > .gitattributes; "
# Each plants a program, and then names the naive call of git that would run it.
VECTORS = {
    "fsmonitor": ("git config core.fsmonitor /workspace/.git/evil", "git status"),
    "clean filter": (
        ATTRIBUTES.format("filter") + f"git config filter.evil.clean {PROGRAM}",
        "git add -A",
    ),
    "smudge filter": (
        ATTRIBUTES.format("filter") + f"git config filter.evil.smudge {PROGRAM}",
        "rm calc.py; git checkout calc.py",
    ),
    "filter process": (
        ATTRIBUTES.format("filter") + f"git config filter.evil.process {PROGRAM}",
        "git add -A",
    ),
    "textconv": (
        ATTRIBUTES.format("diff") + f"git config diff.evil.textconv {PROGRAM}",
        "git diff HEAD",
    ),
    "diff driver": (
        ATTRIBUTES.format("diff") + f"git config diff.evil.command {PROGRAM}",
        "git diff HEAD",
    ),
    "external diff": ("git config diff.external /workspace/.git/evil", "git diff HEAD"),
    "hook on the index": (
        "mkdir -p .git/hooks; cp .git/evil .git/hooks/post-index-change",
        "git add -A",
    ),
    "hook on commit": (
        "mkdir -p .git/hooks; cp .git/evil .git/hooks/pre-commit",
        f"{COMMIT} -qam x",
    ),
    "hooks path": (
        "git config core.hooksPath /workspace/h; mkdir h;"
        " cp .git/evil h/post-index-change",
        "git add -A",
    ),
    "include": (
        f"printf '[core]\\nfsmonitor = {PROGRAM}\\n' > inc;"
        " git config include.path /workspace/inc",
        "git status",
    ),
    "git file": (
        "mv .git real; git config -f real/config core.fsmonitor /workspace/real/evil;"
        " echo 'gitdir: real' > .git",
        "git status",
    ),
    "nested fsmonitor": (
        f"git init -q n; cd n; {COMMIT} -q --allow-empty -m x; "
        f"git config core.fsmonitor {PROGRAM}; cd ..; git add n; touch n/x",
        "git status",
    ),
    "merge driver": (
        ATTRIBUTES.format("merge") + f"git config merge.evil.driver {PROGRAM}",
        f"git stash -q; echo '# x' >> calc.py; {COMMIT} -qam y; git stash pop",
    ),
    "alias": ("git config alias.st '!/workspace/.git/evil'", "git st"),
    "gpg": (
        f"git config gpg.program {PROGRAM}; git config commit.gpgSign true",
        f"{COMMIT} -qam x",
    ),
    "editor": (
        "git config core.editor /workspace/.git/evil",
        f"{COMMIT} -a",
    ),
}
EVIL = r"""
printf '#!/bin/sh\ntouch /tmp/fired\ncat 2>/dev/null\n' > .git/evil; chmod +x .git/evil
sed -i 's/a - b/a + b/' calc.py
"""


class Watched:
    """A back end that records for each sandbox whether a planted program ran inside."""

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


def added(path: str, mode: str, line: str) -> bytes:
    """A patch that adds a file of one line."""
    return (
        f"diff --git a/{path} b/{path}\nnew file mode {mode}\n"
        f"--- /dev/null\n+++ b/{path}\n@@ -0,0 +1 @@\n+{line}\n"
    ).encode()


async def test_a_patch_cannot_write_through_a_link_or_into_git(
    backend: SandboxBackend, forked: Fork, home: Path
) -> None:
    through = (
        added("l", "120000", "/tmp")
        + b"\\ No newline at end of file\n"
        + added("l/x", "100644", "x")
    )
    hook = added(".git/x", "100755", "x")
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
