"""Forks: a private, writable overlay above a checkout for one attempt.

Everything below `upper` is untrusted: it is read by file descriptor and name, never by
a path through a link.
"""

import asyncio
import os
import re
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from aideator.repositories.checkout import Checkout
from aideator.repositories.entries import (
    DIRECTORY_MODE,
    locked_directory,
    remove_entry,
)
from aideator.repositories.untrusted_tree import remove_tree
from aideator.sandbox.base import Tree, sandbox_uid

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,120}")


@dataclass(frozen=True)
class Fork:
    """A private, writable view of a checkout for one attempt."""

    checkout: Checkout
    upper: Path
    """What the attempt has written, as overlayfs stores it: files, and whiteouts
    (character devices 0:0) for removed ones."""
    work: Path
    """overlayfs' scratch directory."""

    @property
    def tree(self) -> Tree:
        """The tree that the attempt sees and writes to."""
        return Tree(
            self.checkout.layers,
            self.upper,
            self.work,
            env=self.checkout.variables,
            path=self.checkout.bin_directories,
        )

    @property
    def scratch(self) -> Tree:
        """The same tree for a sandbox whose writes are not read afterwards."""
        return replace(self.tree, wanted=False)

    @property
    def result(self) -> Tree:
        """The same tree, read-only."""
        return Tree((*self.checkout.layers, self.upper))


@asynccontextmanager
async def fork(checkout: Checkout, home: Path, name: str) -> AsyncIterator[Fork]:
    """Fork a checkout in constant time and space; remove the fork at the context's end.

    While it exists, flocks on its folder and on the folders of its layers tell every
    process on this machine that they are in use.

    Args:
        checkout: The initial content.
        home: The state directory.
        name: The fork's name, unique among existing forks.

    Raises:
        Conflict: if a fork of this name is in use.
        NotFound: if the checkout or its environment has been removed
            (`RepositoryCache.gc`).
    """
    if not _NAME.fullmatch(name):
        raise ValueError(f"invalid name of a fork: {name!r}")
    root = home / "forks" / name
    root.parent.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
    with ExitStack() as locks:
        for layer in checkout.layers:
            locks.enter_context(locked_directory(layer.parent, exclusive=False))
        if root.exists():
            await asyncio.to_thread(remove_entry, root)
        root.mkdir(mode=DIRECTORY_MODE)
        locks.enter_context(locked_directory(root))
        made = Fork(checkout, upper=root / "upper", work=root / "work")
        for path in (made.upper, made.work):
            make_writable_directory(path)
        try:
            yield made
        finally:
            await asyncio.to_thread(remove_tree, root)


def make_writable_directory(path: Path) -> None:
    """Create an empty directory that sandboxed processes may write to."""
    path.mkdir(mode=0o755)
    if (uid := sandbox_uid()) is not None:
        os.chown(path, uid, uid)
