"""Sandbox: time to the first byte of output inside, one at a time and eight at once.

    python bench/sandbox.py [--rounds 20]

Beside it what each layer costs alone, each also up to the first byte: a plain process,
`unshare`, a bare bubblewrap without our shim, overlay and limits, and `podman run` or
`docker run` where a daemon answers and an image is there.

Then for every back end and peer that is here: the first output cold and warm, and how
long one event takes, which is a line there and back while the process lives.
"""

import argparse
import asyncio
import os
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import ParamSpec, TypeVar

from aideator.sandbox.base import Limits, SandboxBackend, Tree
from aideator.sandbox.bubblewrap.command import system_bwrap, wheel_bwrap
from aideator.sandbox.registry import open_backend

EVENTS = 50
ECHO = ["sh", "-c", 'while read line; do echo "$line"; done']
P = ParamSpec("P")
R = TypeVar("R")
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
    process = await asyncio.create_subprocess_exec(
        *argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert process.stdout is not None
    if await process.stdout.readline() != b"hello\n":
        raise OSError(f"{argv[0]} does not work here")
    took = (time.perf_counter() - began) * 1000
    await process.wait()
    return took


async def at_once(backend: SandboxBackend, home: Path, name: str) -> float:
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(in_sandbox(backend, home, f"{name}-{number}"))
            for number in range(8)
        ]
    return max(task.result() for task in tasks)


async def median(rounds: int, once: Callable[[int], Awaitable[float]]) -> float:
    return statistics.median([await once(number) for number in range(rounds)])


async def round_trips(
    stdin: asyncio.StreamWriter, stdout: asyncio.StreamReader
) -> list[float]:
    """Return how long each line takes to an echoing process and back, in ms."""
    took = []
    for number in range(EVENTS):
        began = time.perf_counter()
        stdin.write(b"%d\n" % number)
        await stdout.readline()
        took.append((time.perf_counter() - began) * 1000)
    return took


async def through(
    backend: SandboxBackend, home: Path, name: str
) -> tuple[float, list[float]]:
    """Time to the first output in a new sandbox, and the events after it."""
    began = time.perf_counter()
    for kind in ("upper", "work"):
        (home / f"{name}-{kind}").mkdir()
    tree = Tree(
        (home / "base",), home / f"{name}-upper", home / f"{name}-work", wanted=False
    )
    async with backend.open(tree, Limits()) as sandbox:
        process = await sandbox.spawn(ECHO)
        process.stdin.write(b"first\n")
        await process.stdout.readline()
        first = (time.perf_counter() - began) * 1000
        return first, await round_trips(process.stdin, process.stdout)


async def through_engine(argv: list[str]) -> tuple[float, list[float]]:
    """The same with `docker run -i` or `podman run -i`."""
    began = time.perf_counter()
    pipe = subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *argv, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(b"first\n")
    if await process.stdout.readline() != b"first\n":
        raise OSError(f"{argv[0]} does not work here")
    first = (time.perf_counter() - began) * 1000
    took = await round_trips(process.stdin, process.stdout)
    process.stdin.close()
    await process.wait()
    return first, took


async def compare(home: Path, found: dict[str, list[str]]) -> None:
    """Print a row for each way to a contained process: cold, warm, one event."""
    ways: dict[str, Callable[[int], Awaitable[tuple[float, list[float]]]]] = {}
    bubblewrap = open_backend("bubblewrap", runtime_dir=home / "run")
    ways["bubblewrap"] = lambda number: through(bubblewrap, home, f"events-{number}")
    dagger = open_backend("dagger", runtime_dir=home / "run", server=os.environ)
    missing = [finding for finding in await dagger.check() if finding.fatal]
    if not missing:
        ways["dagger"] = lambda number: through(dagger, home, f"contained-{number}")
    for engine in ("podman", "docker"):
        if argv := found.get(f"{engine} run"):
            interactive = [*argv[:2], "-i", *argv[2:-2], *ECHO]
            ways[f"{engine} run"] = each_time(through_engine, interactive)
    print(f"\n{'':18} first output: cold      warm p50   one event p50")
    for name, way in ways.items():
        cold, _ = await way(0)
        starts, events = list[float](), list[float]()
        for number in range(1, 6):
            start, took = await way(number)
            starts.append(start)
            events += took
        warm, event = statistics.median(starts), statistics.median(events)
        print(f"{name:18} {cold:14.1f} ms {warm:11.1f} ms {event:10.2f} ms")
    if missing:
        print(f"{'dagger':18} SKIP: {missing[0].detail}")
    for name in {"podman run", "docker run"} - ways.keys():
        print(f"{name:18} SKIP: no daemon with an image here")


def each_time(
    measure: Callable[P, Awaitable[R]], *args: P.args, **kwargs: P.kwargs
) -> Callable[[int], Awaitable[R]]:
    """Return a function of the round's number that measures the same each time."""
    return lambda _: measure(*args, **kwargs)


def peers() -> dict[str, list[str]]:
    bare = ["--ro-bind", "/", "/", "--unshare-all", "echo", "hello"]
    found = {
        "plain process": ["echo", "hello"],
        "unshare": [
            "unshare",
            "--user",
            "--map-root-user",
            "--mount",
            "--net",
            "echo",
            "hello",
        ],
        "bare bubblewrap": [str(system_bwrap() or wheel_bwrap()), *bare],
    }
    for engine in ("podman", "docker"):
        if shutil.which(engine) is None:
            continue
        images = subprocess.run(
            [engine, "images", "-q"], capture_output=True, text=True, check=False
        ).stdout.split()
        if images:
            found[f"{engine} run"] = [
                engine,
                "run",
                "--rm",
                "--network=none",
                images[0],
                "echo",
                "hello",
            ]
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
        one = await median(
            rounds, lambda number: in_sandbox(backend, home, f"one-{number}")
        )
        eight = await median(
            max(3, rounds // 4),
            lambda number: at_once(backend, home, f"eight-{number}"),
        )
        await report(one, eight, rounds)
        await compare(home, peers())
    finally:
        shutil.rmtree(home, ignore_errors=True)


async def report(one: float, eight: float, rounds: int) -> None:
    """Print our own figures, and those of what lies below them."""
    for what, took, target in (
        ("one sandbox, to its first output", one, TARGET_ONE_MS),
        ("eight at once, to the last output", eight, TARGET_EIGHT_MS),
    ):
        print(f"{what:34} p50 {took:7.1f} ms   target < {target:.0f}")
    found = peers()
    for name, argv in found.items():
        try:
            peer = await median(rounds, each_time(as_process, *argv))
        except OSError as error:
            print(f"{name:18} SKIP: {error}")
            continue
        print(f"{name:18} p50 {peer:7.1f} ms   ours / theirs {one / peer:6.2f}")
    for name in {"podman run", "docker run"} - found.keys():
        print(f"{name:18} SKIP: no daemon with an image here")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0] if __doc__ else ""
    )
    parser.add_argument("--rounds", type=int, default=20)
    asyncio.run(main(parser.parse_args().rounds))
