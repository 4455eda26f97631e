"""Fetch what a container's processes wrote, as one change, before it ends."""

import asyncio
from pathlib import Path

import structlog

from aideator.domain.errors import DiskLimitExceeded, SandboxLost
from aideator.sandbox.base import Limits, sandbox_uid
from aideator.sandbox.dagger.container import PLATFORM, RUN, Container
from aideator.sandbox.dagger.inside.change import BadChange, ChangeReader
from aideator.sandbox.dagger.session import DaggerSession
from aideator.sandbox.link import Link

PACK_SECONDS, CLOSE_SECONDS = 120.0, 20.0
"""Time that a change may take to arrive, and a container to end when told to."""
_FRAME_BYTES = 64 * 2**20
"""Bytes that the entries of a change may take besides the content of their files."""
_PACK = (
    f"import sys; sys.path.insert(0, '{PLATFORM}'); "
    "from aideator.sandbox.dagger.inside.pack import main; main()"
)

log = structlog.get_logger(__name__)


async def close_container(
    link: Link, session: DaggerSession, container: Container
) -> None:
    """Fetch what was written, then let the container end by itself.

    Raises:
        SandboxLost: if the change cannot be fetched.
    """
    if link.is_lost:
        return
    link.abandon()
    upper = container.tree.upper
    if upper is not None and container.tree.wanted:
        spool = container.directory / "change"
        await _receive(link, spool, container.limits)
        try:
            await asyncio.to_thread(_apply, spool, upper, container.limits.disk_bytes)
        except BadChange as error:
            raise SandboxLost(
                f"the change from the container cannot be read: {error}"
            ) from error
    link.send(end=True)
    if not await session.wait(CLOSE_SECONDS):
        log.warning(
            "a container did not end when it was told to", stderr=session.stderr[-1000:]
        )


async def _receive(link: Link, spool: Path, limits: Limits) -> None:
    """Write the container's change to the file `spool`."""
    python = ["python3", "-I", "-S", "-X", "utf8"]
    argv = [*python, "-c", _PACK, "/workspace", f"{RUN}/manifest.json"]
    try:
        async with asyncio.timeout(PACK_SECONDS):
            process = await link.spawn(argv, cwd="/")
            await _spool(process.stdout, spool, limits.disk_bytes + _FRAME_BYTES)
            code = await process.wait()
            stderr = (await process.stderr.read(1000)).decode(errors="replace")
    except TimeoutError:
        raise SandboxLost(
            f"the change did not arrive from the container within {PACK_SECONDS:g} s"
        ) from None
    if code != 0:
        reason = stderr.strip() or f"exit code {code}"
        raise SandboxLost(f"the change cannot be taken out of the container: {reason}")


async def _spool(source: asyncio.StreamReader, target: Path, most: int) -> None:
    with target.open("wb") as file:
        while chunk := await source.read(2**20):
            most -= len(chunk)
            if most < 0:
                raise DiskLimitExceeded("the change is larger than what may be written")
            await asyncio.to_thread(file.write, chunk)


def _apply(spool: Path, upper: Path, most: int) -> None:
    reader = ChangeReader(str(upper), overlay=True, owner=sandbox_uid())
    with spool.open("rb") as file:
        reader.apply(file, most=most)
