"""Fork a large repository; compare with `git worktree add` and `git clone --local`.

A tree counts as usable when a process inside it has printed a file: fork + sandbox +
`cat` for AIdeator, the command itself (no sandbox) for git.

    python bench/workspace.py [files]
"""

import asyncio
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

from aideator.changes.fork import fork
from aideator.changes.patch import extract
from aideator.repositories.cache import RepositoryCache
from aideator.repositories.checkout import Checkout
from aideator.repositories.source import SourcePolicy
from aideator.sandbox.base import Limits, SandboxBackend
from aideator.sandbox.registry import open_backend

LIMITS = Limits(cpus=2.0, memory_bytes=2**30)
ROUNDS = 9
SETTLE_SECONDS = 20
PEER_ROUNDS = 2
ENV = {
    "PATH": os.environ["PATH"],
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_AUTHOR_NAME": "bench",
    "GIT_AUTHOR_EMAIL": "bench",
    "GIT_COMMITTER_NAME": "bench",
    "GIT_COMMITTER_EMAIL": "bench",
}


def run(cwd: Path, *command: str) -> None:
    subprocess.run(
        command,
        cwd=cwd,
        env=ENV,
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )


def make_repository(path: Path, files: int) -> None:
    body = "".join(
        f"value_{n} = {n}  # a line of some length, as code has\n" for n in range(40)
    ).encode()
    for number in range(files):
        file = path / f"d{number % 100}" / f"e{number // 100 % 50}" / f"f{number}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(body + b"# %d\n" % number)
    run(path, "git", "init", "-q", "-b", "main")
    run(path, "git", "add", "-A")
    run(path, "git", "commit", "-q", "-m", "base")


def used(path: Path) -> int:
    return shutil.disk_usage(path).used


def timed(act: Callable[[], None]) -> float:
    begun = time.perf_counter()
    act()
    return time.perf_counter() - begun


def peers(home: Path, repo: Path) -> dict[str, tuple[float, int]]:
    """Seconds (median) and bytes of disk per tree."""
    results = {}
    for name, command in {
        "git worktree add": ["git", "worktree", "add", "-q", "--detach"],
        "git clone --local": ["git", "clone", "-q", "--local", "."],
    }.items():
        seconds, before = [], used(home)
        for number in range(PEER_ROUNDS):
            target = home / f"{name.replace(' ', '-')}-{number}"
            seconds.append(timed(partial(run, repo, *command, str(target))))
        os.sync()
        results[name] = (
            statistics.median(seconds),
            (used(home) - before) // PEER_ROUNDS,
        )
        for number in range(PEER_ROUNDS):
            shutil.rmtree(home / f"{name.replace(' ', '-')}-{number}")
    return results


async def usable(
    backend: SandboxBackend, checkout: Checkout, home: Path, name: str
) -> float:
    begun = time.perf_counter()
    async with (
        fork(checkout, home, name) as forked,
        backend.open(forked.tree, LIMITS) as sandbox,
    ):
        done = await sandbox.exec(["cat", "d0/e0/f0.py"])
        seconds = time.perf_counter() - begun
        assert done.stdout.startswith(b"value_0")
    return seconds


async def fork_alone(checkout: Checkout, home: Path) -> float:
    begun = time.perf_counter()
    async with fork(checkout, home, "alone"):
        return time.perf_counter() - begun


async def eight_at_once(
    backend: SandboxBackend, checkout: Checkout, home: Path
) -> tuple[float, int]:
    before = used(home)
    begun = time.perf_counter()
    async with AsyncExitStack() as stack:

        async def one(number: int) -> None:
            forked = await stack.enter_async_context(
                fork(checkout, home, f"at-once-{number}")
            )
            sandbox = await stack.enter_async_context(backend.open(forked.tree, LIMITS))
            await sandbox.exec(["cat", "d0/e0/f0.py"])

        async with asyncio.TaskGroup() as group:
            for number in range(8):
                group.create_task(one(number))
        seconds = time.perf_counter() - begun
        os.sync()
        return seconds, (used(home) - before) // 8


async def status_and_patch(
    backend: SandboxBackend, checkout: Checkout, home: Path
) -> tuple[float, float, float]:
    async with fork(checkout, home, "status") as forked:
        async with backend.open(forked.tree, LIMITS) as sandbox:
            times = []
            for _ in range(2):
                begun = time.perf_counter()
                done = await sandbox.exec(["git", "status", "--porcelain"])
                times.append(time.perf_counter() - begun)
                assert (done.exit_code, done.stdout) == (0, b""), done
            await sandbox.exec(["sh", "-c", "echo changed >> d0/e0/f0.py"])
        begun = time.perf_counter()
        patch = await extract(forked, backend, limits=LIMITS)
        assert patch.paths == ("d0/e0/f0.py",)
        return times[0], times[1], time.perf_counter() - begun


async def main(home: Path, files: int) -> None:
    repo = home / "repo"
    repo.mkdir()
    make_repository(repo, files)
    policy = SourcePolicy(frozenset(), allow_local=True)
    cache = RepositoryCache(home, policy=policy, max_repo_bytes=2**33)
    begun = time.perf_counter()
    commit = await cache.resolve(str(repo))
    mirrored = time.perf_counter()
    checkout = await cache.checkout(commit)
    print(
        f"{files} files; mirror {mirrored - begun:.1f} s,"
        f" checkout {time.perf_counter() - mirrored:.1f} s, once"
    )
    # Let the file system finish its work on 100,000 new files before measuring: a fork
    # happens later.
    os.sync()
    await asyncio.sleep(SETTLE_SECONDS)
    backend = open_backend("bubblewrap", runtime_dir=home / "run")
    ours = [
        await usable(backend, checkout, home, f"fork-{number}")
        for number in range(ROUNDS + 1)
    ][1:]
    alone = statistics.median([await fork_alone(checkout, home) for _ in range(ROUNDS)])
    p50 = statistics.median(ours)
    print(
        f"fork: p50 {alone * 1e3:.1f} ms;"
        f" fork + sandbox + first output: p50 {p50 * 1e3:.0f} ms"
    )
    together, disk = await eight_at_once(backend, checkout, home)
    print(f"eight at once: {together * 1e3:.0f} ms, {disk / 2**20:.2f} MB of disk each")
    first, second, extraction = (
        f"{seconds * 1e3:.0f} ms"
        for seconds in await status_and_patch(backend, checkout, home)
    )
    print(f"git status in the fork: first {first}, then {second}; patch {extraction}")
    for name, (seconds, size) in peers(home, repo).items():
        print(f"{name}: {seconds:.2f} s, {size / 2**20:.0f} MB each", end="; ")
        print(
            f"ratio {seconds / alone:.0f} to the fork,"
            f" {seconds / p50:.0f} to fork + sandbox + first output"
        )


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="aid-") as home:
        os.chmod(home, 0o711)  # noqa: PTH101
        asyncio.run(main(Path(home), int(sys.argv[1]) if len(sys.argv) > 1 else 50_000))
