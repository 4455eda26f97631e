"""A place for one attempt to write: an empty overlay above a checkout, made and removed in no time.

Everything below `upper` is hostile. It is looked at by file descriptor and name, never
by path through a link.
"""

import asyncio
import os
import re
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from aideator.changes import tool_paths as tools
from aideator.repositories.checkout import Checkout
from aideator.repositories.trees import discard, locked_directory, remove_tree
from aideator.sandbox.base import Tree, sandbox_uid

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,120}")


@dataclass(frozen=True)
class Fork:
    """One attempt's own view of a checkout."""

    checkout: Checkout
    upper: Path
    """What the attempt has changed, as overlayfs keeps it: files, and character devices
    0:0 for what is gone."""
    work: Path

    @property
    def tree(self) -> Tree:
        """What the attempt sees and may write to."""
        if self.checkout.environment is None:
            return Tree(self.checkout.layers, self.upper, self.work)
        env = {**tools.variables(self.checkout.made), **self.checkout.variables}
        path = tools.programs(self.checkout.made)
        return Tree(self.checkout.layers, self.upper, self.work, env=env, path=path)

    @property
    def scratch(self) -> Tree:
        """The same, when what is written is of no use to anybody."""
        return replace(self.tree, wanted=False)

    @property
    def result(self) -> Tree:
        """The same, read-only."""
        return Tree((*self.checkout.layers, self.upper))


@asynccontextmanager
async def fork(checkout: Checkout, home: Path, name: str) -> AsyncIterator[Fork]:
    """Fork a checkout; O(1) in time and space, whatever its size.

    The fork is removed at the end.

    While it lives, locks (flocks) on its folder and on those of its layers say so to
    every process on this machine.

    Args:
        checkout: What the fork starts as.
        home: The state directory.
        name: The fork's name, unique among those that live.

    Raises:
        Conflict: if a fork of this name is in use.
        NotFound: if the checkout or its environment has been removed since
            (`RepositoryCache.gc`).
    """
    if not _NAME.fullmatch(name):
        raise ValueError(f"not a name for a fork: {name!r}")
    root = home / "forks" / name
    root.parent.mkdir(mode=0o711, parents=True, exist_ok=True)
    with ExitStack() as locks:
        for layer in checkout.layers:
            locks.enter_context(locked_directory(layer.parent, exclusive=False))
        if root.exists():
            await asyncio.to_thread(discard, root)
        root.mkdir(mode=0o711)
        locks.enter_context(locked_directory(root))
        made = Fork(checkout, upper=root / "upper", work=root / "work")
        for path in (made.upper, made.work):
            make_ground(path)
        try:
            yield made
        finally:
            await asyncio.to_thread(remove_tree, root)


def make_ground(path: Path) -> None:
    """Make an empty directory that a sandbox may write to."""
    path.mkdir(mode=0o755)
    if (uid := sandbox_uid()) is not None:
        os.chown(path, uid, uid)
