"""Work in a fork as an agent does, and apply the extracted patch to a clean one."""

from pathlib import Path

from aideator.changes.fork import Fork, fork
from aideator.changes.patch import Patch, apply
from aideator.repositories.cache import RepositoryCache
from aideator.repositories.checkout import Checkout
from aideator.repositories.source import SourcePolicy
from aideator.sandbox.base import Limits, Sandbox, SandboxBackend

LIMITS = Limits(cpus=2.0)
COMMIT = "git -c user.name=a -c user.email=a@b commit"


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
