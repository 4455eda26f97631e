"""A restored layer contains no change of the project's own files."""

import os
from pathlib import Path

import pytest

from aideator.changes.fork import make_writable_directory
from aideator.repositories.untrusted_tree import remove_tree
from aideator.sandbox.base import Limits, SandboxBackend, Tree, sandbox_uid
from aideator.sandbox.registry import open_backend
from aideator.setup.layer import exclude_from_git, restore_project_files

FILES = ("top", "src/a", "src/deep/b", "src/deep/c", ".gitignore", ".git/config")


@pytest.fixture
def backend(home: Path) -> SandboxBackend:
    return open_backend("bubblewrap", runtime_dir=home / "run")


@pytest.fixture
def below(home: Path) -> Path:
    path = home / "below"
    make_writable_directory(path)
    for name in FILES:
        file = path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(name)
    if (uid := sandbox_uid()) is not None:
        for entry in path.rglob("*"):
            os.chown(entry, uid, uid)
    return path


async def after(backend: SandboxBackend, below: Path, home: Path, script: str) -> str:
    """Run a script in a layer above `below`, restore the layer, and list the result."""
    layer, work = home / "layer", home / "work"
    make_writable_directory(layer)
    make_writable_directory(work)
    async with backend.open(Tree((below,), layer, work), Limits()) as sandbox:
        done = await sandbox.exec(["sh", "-ec", script])
        assert done.exit_code == 0, done.stderr
    restore_project_files(
        layer, [name.encode() for name in FILES if not name.startswith(".git/")]
    )
    async with backend.open(Tree((below, layer)), Limits()) as sandbox:
        show = (
            "find . -type f -o -type l | LC_ALL=C sort"
            " | xargs -n1 sh -c 'echo $0=$(cat $0)'"
        )
        found = await sandbox.exec(["sh", "-c", show])
    return found.stdout.decode()


SAME = "".join(f"./{name}={name}\n" for name in sorted(FILES))


@pytest.mark.parametrize(
    "script",
    [
        "true",
        "echo x > top; echo x >> src/deep/b; rm src/a",
        "rm -rf src .git .gitignore top",
        "rm -rf src; mkdir -p src/deep; echo x > src/deep/b",
        "rm -rf src; ln -s /etc src",
        "rm -rf src; echo file > src",
        "rm -rf src/deep; ln -s /workspace/.git src/deep",
        "rm top; mkdir top; echo x > top/file; mkdir -p top/a/b/c",
        "rm src/a; mkfifo src/a; rm src/deep/c; ln -s /etc/passwd src/deep/c",
        "echo x > .git/config; mkdir -p .git/hooks;"
        " echo evil > .git/hooks/post-checkout",
        "rm -rf .git; echo 'gitdir: /tmp' > .git",
        "chmod 000 src/deep; chmod 000 src; chmod 000 top",
        "mv src/deep src/deep2; mv src/deep2 src/deep; mv src other; mv other src",
    ],
)
async def test_the_project_is_as_it_was(
    backend: SandboxBackend, below: Path, home: Path, script: str
) -> None:
    assert await after(backend, below, home, script) == SAME


async def test_what_is_new_stays(
    backend: SandboxBackend, below: Path, home: Path
) -> None:
    script = (
        "mkdir lib; echo l > lib/l; echo n > src/new; rm -rf src/deep;"
        " mkdir src/deep; echo d > src/deep/new"
    )
    seen = await after(backend, below, home, script)
    assert {
        "./lib/l=l",
        "./src/new=n",
        "./src/deep/new=d",
        "./src/deep/b=src/deep/b",
    } <= set(seen.splitlines())


async def test_a_link_in_a_folders_place_is_not_followed(
    backend: SandboxBackend, below: Path, home: Path
) -> None:
    outside = home / "outside"
    (outside / "deep").mkdir(parents=True)
    (outside / "a").write_text("kept")
    (outside / "deep" / "b").write_text("kept")
    assert await after(backend, below, home, f"rm -rf src; ln -s {outside} src") == SAME
    assert [(outside / name).read_text() for name in ("a", "deep/b")] == [
        "kept",
        "kept",
    ]


def test_hidden_paths_are_written_as_git_reads_them(home: Path) -> None:
    layer = home / "layer"
    layer.mkdir()
    exclude_from_git(
        layer,
        ["lib", "a b", "#x", "!y", "st*r", "caf\udce9", "line\nbreak"],
        sandbox_uid(),
    )
    text = (layer / ".git" / "info" / "exclude").read_bytes()
    assert text == b"/lib\n/a\\ b\n/\\#x\n/\\!y\n/st\\*r\n/caf\xe9\n"
    remove_tree(layer)
