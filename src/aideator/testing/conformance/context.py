"""Context of a conformance check, and assertions about a sandbox."""

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

PATIENCE = 120.0
"""Seconds after which a check gives up: a bound for hangs, far above what is usual."""


class BrokenPromise(AssertionError):
    """The sandbox did not do what callers rely on."""


@dataclass(frozen=True)
class CheckContext:
    """A back end, and an empty directory that the sandbox's uid can reach."""

    backend: SandboxBackend
    scratch: Path

    def directory(self, files: Mapping[str, str] | None = None) -> Path:
        """Create a directory with these files, owned by the sandbox's uid."""
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
        """Create a writable tree over these files."""
        return Tree((self.directory(files),), self.directory(), self.directory())

    def open(
        self,
        tree: Tree | None = None,
        *,
        limits: Limits | None = None,
        binds: Sequence[Bind] = (),
        gateway: Path | None = None,
    ) -> AbstractAsyncContextManager[Sandbox]:
        """Open a sandbox over the tree, or over an empty one."""
        return self.backend.open(
            tree or self.tree(), limits or Limits(), binds=binds, gateway=gateway
        )


UNTIL_GONE = (
    'for i in $(seq 100); do kill -0 "$1" 2>/dev/null || exit 0; '
    "sleep 0.1; done; exit 1"
)
"""Shell script that succeeds once the process $1 has ended, within about 10 seconds."""

Behaviour = Callable[[CheckContext], Awaitable[None]]


def expect(found: object, wanted: object, what: str) -> None:
    """Raise `BrokenPromise` unless the two are equal."""
    if found != wanted:
        raise BrokenPromise(f"{what}: wanted {wanted!r:.300}, got {found!r:.300}")


def require(condition: bool, what: str) -> None:  # noqa: FBT001 - its subject
    """Raise `BrokenPromise` unless the condition holds."""
    if not condition:
        raise BrokenPromise(what)


async def shell(sandbox: Sandbox, script: str, *arguments: str) -> str:
    """Return what a shell script prints. It has to succeed, without errors printed."""
    result = await sandbox.exec(
        ["sh", "-c", script, "sh", *arguments], timeout=PATIENCE
    )
    expect((result.exit_code, result.stderr), (0, b""), f"`{script}`")
    return result.stdout.decode()
