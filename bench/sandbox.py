"""Sandbox: from nothing to the first byte that a process inside prints, one at a time and eight at once.

    python bench/sandbox.py [--rounds 20]

Beside it what each layer costs alone, each also up to the first byte: a plain process, `unshare`, a bare bubblewrap
without our shim, overlay and limits, and `podman run` or `docker run` where a daemon answers and an image is there.
"""

import argparse
import asyncio
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from aideator.sandbox.base import Limits, SandboxBackend, Tree
from aideator.sandbox.cell import system_bwrap, wheel_bwrap
from aideator.sandbox.registry import open_backend

TARGET_ONE_MS, TARGET_EIGHT_MS = 60.0, 300.0


async def in_sandbox(backend: SandboxBackend, home: Path, name: str) -> float:
    began = time.perf_counter()
    for kind in ("upper", "work"):
        (home / f"{name}-{kind}").mkdir()
    tree = Tree((home / "base",), home / f"{name}-upper", home / f"{name}-work")
    async with backend.open(tree, Limits()) as sandbox:
        process = await sandbox.spawn(["echo", "hello"])
        await process.stdout.readline()
        return (time.perf_counter() - began) * 1000


async def as_process(*argv: str) -> float:
    began = time.perf_counter()
    process = await asyncio.create_subprocess_exec(*argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert process.stdout is not None
    if await process.stdout.readline() != b"hello\n":
        raise OSError(f"{argv[0]} does not work here")
    took = (time.perf_counter() - began) * 1000
    await process.wait()
    return took


async def at_once(backend: SandboxBackend, home: Path, name: str) -> float:
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(in_sandbox(backend, home, f"{name}-{number}")) for number in range(8)]
    return max(task.result() for task in tasks)


async def median(rounds: int, once: Callable[[int], Awaitable[float]]) -> float:
    return statistics.median([await once(number) for number in range(rounds)])


def peers() -> dict[str, list[str]]:
    bare = ["--ro-bind", "/", "/", "--unshare-all", "echo", "hello"]
    found = {
        "plain process": ["echo", "hello"],
        "unshare": ["unshare", "--user", "--map-root-user", "--mount", "--net", "echo", "hello"],
        "bare bubblewrap": [str(system_bwrap() or wheel_bwrap()), *bare],
    }
    for engine in ("podman", "docker"):
        if shutil.which(engine) is None:
            continue
        images = subprocess.run([engine, "images", "-q"], capture_output=True, text=True, check=False).stdout.split()
        if images:
            found[f"{engine} run"] = [engine, "run", "--rm", "--network=none", images[0], "echo", "hello"]
    return found


def make_home() -> Path:
    home = Path(tempfile.mkdtemp(prefix="aid-"))
    home.chmod(0o711)
    (home / "base").mkdir()
    return home


async def main(rounds: int) -> None:
    home = make_home()
    backend = open_backend("bubblewrap", runtime_dir=home / "run")
    try:
        await in_sandbox(backend, home, "warm-up")
        one = await median(rounds, lambda number: in_sandbox(backend, home, f"one-{number}"))
        eight = await median(max(3, rounds // 4), lambda number: at_once(backend, home, f"eight-{number}"))
    finally:
        shutil.rmtree(home, ignore_errors=True)
    print(f"one sandbox, to its first output   p50 {one:7.1f} ms   target < {TARGET_ONE_MS:.0f}")
    print(f"eight at once, to the last output  p50 {eight:7.1f} ms   target < {TARGET_EIGHT_MS:.0f}")
    found = peers()
    for name, argv in found.items():
        try:
            peer = await median(rounds, lambda _, argv=argv: as_process(*argv))  # type: ignore[misc]
        except OSError as error:
            print(f"{name:18} SKIP: {error}")
            continue
        print(f"{name:18} p50 {peer:7.1f} ms   ours / theirs {one / peer:6.2f}")
    for name in {"podman run", "docker run"} - found.keys():
        print(f"{name:18} SKIP: no daemon with an image here")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rounds", type=int, default=20)
    asyncio.run(main(parser.parse_args().rounds))
