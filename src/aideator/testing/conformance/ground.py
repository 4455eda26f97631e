"""The ground that a behaviour is tried on, and how a promise is held to."""

import os
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path

from aideator.sandbox.base import (
    Bind,
    Limits,
    Sandbox,
    SandboxBackend,
    Tree,
    sandbox_uid,
)


class BrokenPromise(AssertionError):
    """The sandbox did not do what callers rely on."""


@dataclass(frozen=True)
class Ground:
    """Where one behaviour is tried: a back end and an empty directory that the sandbox's uid can reach."""

    backend: SandboxBackend
    scratch: Path

    def directory(self, files: Mapping[str, str] | None = None) -> Path:
        """A new directory with these files, owned by the sandbox's uid."""
        path = self.scratch / secrets.token_hex(4)
        path.mkdir()
        for name, text in (files or {}).items():
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            (path / name).write_text(text)
        owner = sandbox_uid()
        if owner is not None:
            for entry in (path, *path.rglob("*")):
                os.chown(entry, owner, owner, follow_symlinks=False)
        return path

    def tree(self, files: Mapping[str, str] | None = None) -> Tree:
        """A writable tree over these files."""
        return Tree((self.directory(files),), self.directory(), self.directory())

    def open(
        self,
        tree: Tree | None = None,
        *,
        limits: Limits | None = None,
        binds: Sequence[Bind] = (),
        gateway: Path | None = None,
    ) -> AbstractAsyncContextManager[Sandbox]:
        """A sandbox over the tree, or over an empty one."""
        return self.backend.open(
            tree or self.tree(), limits or Limits(), binds=binds, gateway=gateway
        )


Behaviour = Callable[[Ground], Awaitable[None]]


def expect(told: object, wanted: object, what: str) -> None:
    """Break the promise unless the two are equal."""
    if told != wanted:
        raise BrokenPromise(f"{what}: wanted {wanted!r:.300}, got {told!r:.300}")


def require(condition: bool, what: str) -> None:  # noqa: FBT001 - the condition is what it is about
    """Break the promise unless the condition holds."""
    if not condition:
        raise BrokenPromise(what)


async def shell(sandbox: Sandbox, script: str, *arguments: str) -> str:
    """What a shell script prints. It has to succeed."""
    result = await sandbox.exec(["sh", "-c", script, "sh", *arguments], timeout=30)
    expect((result.exit_code, result.stderr), (0, b""), f"`{script}`")
    return result.stdout.decode()
