"""What is kept of repositories: one bare mirror each, one checkout per commit, one environment per set-up of it.

What is half-made has a name of its own (`.part`) and is renamed when it is complete:
what has its final name is whole.
"""

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

from aideator.domain.errors import Conflict
from aideator.repositories import checkout as checkouts
from aideator.repositories.checkout import Checkout, Commit
from aideator.repositories.mirror import Mirror
from aideator.repositories.remote import reach
from aideator.repositories.source import Source, SourcePolicy, parse_source
from aideator.repositories.trees import (
    PART,
    PERSONAL,
    discard,
    disk_use,
    held,
    remove_tree,
    try_hold,
)
from aideator.setup import environment as environments

_KINDS = ("mirrors", "checkouts", "environments")


class RepositoryCache:
    """Mirrors, checkouts and environments below one state directory."""

    def __init__(
        self,
        home: Path,
        *,
        policy: SourcePolicy,
        clone_timeout: float = 300.0,
        max_repo_bytes: int = 100 * 2**20,
        tokens: Mapping[str, str] | None = None,
        max_cache_bytes: int = 20 * 2**30,
    ) -> None:
        self.home = home
        self._policy = policy
        self._clone_timeout = clone_timeout
        self._max_repo_bytes = max_repo_bytes
        self._tokens = dict(tokens or {})
        self._max_cache_bytes = max_cache_bytes

    async def resolve(self, text: str, ref: str | None = None) -> Commit:
        """Find the commit that a submission means, and have it on this machine.

        A full commit hash that is here already asks nobody.

        Args:
            text: The repository, as the user wrote it.
            ref: A branch, tag or commit; the default branch when absent.

        Raises:
            InvalidInput: naming `repo_url`, if the policy does not allow this
                repository.
            RepositoryError: if it cannot be had; the message says why and what to do.
        """
        source = parse_source(text, self._policy)
        mirror = self._mirror(source)
        if ref is not None and (known := await mirror.known(ref)):
            return Commit(source, known)
        remote = await reach(source, self._policy, self._tokens)
        refs = await mirror.list_refs(remote)
        wanted = refs.pick(ref)
        if wanted is not None and (commit := await self._at_hand(source, wanted)):
            return commit
        async with held(self._lock(source.key)):
            # Who waited for the lock may find that the one before has fetched the same.
            if wanted is None or await mirror.known(wanted) is None:
                await mirror.fetch(
                    remote,
                    wanted,
                    max_bytes=self._max_repo_bytes,
                    timeout=self._clone_timeout,
                )
        return Commit(source, await mirror.commit(wanted or ref or "HEAD"))

    @contextlib.asynccontextmanager
    async def mirror_of(self, commit: Commit) -> AsyncIterator[Path]:
        """The bare mirror that has the commit; it is neither changed nor removed meanwhile."""
        async with held(self._lock(commit.source.key)):
            yield self._mirror(commit.source).path

    async def _at_hand(self, source: Source, sha: str) -> Commit | None:
        commit = Commit(source, sha)
        # A tag's own hash is no commit's, so it never names a checkout.
        if (self._folder("checkouts") / commit.key).exists():
            return commit
        known = await self._mirror(source).known(sha)
        return Commit(source, known) if known else None

    async def checkout(self, commit: Commit) -> Checkout:
        """Return the commit's read-only checkout, making it on first use.

        Raises:
            RepositoryError: if it cannot be made.
        """
        folder = self._folder("checkouts") / commit.key
        if not folder.exists():
            async with held(self._lock(commit.key)):
                if not folder.exists():
                    await self._build(commit, folder)
        os.utime(folder)
        return checkouts.load(folder, commit)

    async def _build(self, commit: Commit, folder: Path) -> None:
        part = folder.with_name(commit.key + PART)
        try:
            if part.exists():
                remove_tree(part)
            await checkouts.build(
                self._mirror(commit.source).path,
                commit,
                part,
                timeout=self._clone_timeout,
            )
            part.rename(folder)
        finally:
            if part.exists():
                await asyncio.to_thread(remove_tree, part)
        await asyncio.to_thread(self.gc)

    def gc(self, max_bytes: int | None = None, *, idle: float = 600.0) -> int:
        """Remove the least recently used entries until the cache fits.

        Blocks: call it in a thread.

        Args:
            max_bytes: What may remain; the cache's own bound when absent.
            idle: Seconds since its last use within which an entry is spared, used by a
                fork or not.

        Returns:
            How many bytes were freed.
        """
        sizes = {path: disk_use(path) for path in self._complete("mirrors")}
        sizes |= {path: checkouts.size(path) for path in self._complete("checkouts")}
        sizes |= {
            path: environments.size(path) for path in self._complete("environments")
        }
        surplus = sum(sizes.values()) - (
            self._max_cache_bytes if max_bytes is None else max_bytes
        )
        freed = 0
        for path in sorted(sizes, key=lambda path: path.stat().st_mtime):
            if freed >= surplus:
                break
            if time.time() - path.stat().st_mtime >= idle and self._discard(path):
                freed += sizes[path]
        return freed

    def recover(self) -> None:
        """Remove what a crash left: what is half-made, and forks.

        What is alive is spared. Blocks.
        """
        for path in [
            part for kind in _KINDS for part in self._folder(kind).glob(f"*{PART}")
        ]:
            if (lock := try_hold(self._lock(path.name.removesuffix(PART)))) is not None:
                remove_tree(path)
                os.close(lock)
        for path in self._folder("forks").iterdir():
            with contextlib.suppress(Conflict):
                discard(path)

    def _discard(self, path: Path) -> bool:
        if (lock := try_hold(self._lock(path.name))) is None:
            return False
        try:
            discard(path)
        except Conflict:
            return False
        finally:
            os.close(lock)
        return True

    def _mirror(self, source: Source) -> Mirror:
        return Mirror(self._folder("mirrors") / source.key)

    def _folder(self, name: str) -> Path:
        folder = self.home / name
        folder.mkdir(mode=PERSONAL, parents=True, exist_ok=True)
        return folder

    def _complete(self, name: str) -> list[Path]:
        return [
            path
            for path in self._folder(name).iterdir()
            if not path.name.endswith(PART)
        ]

    def _lock(self, key: str) -> Path:
        return self.home / "locks" / key
