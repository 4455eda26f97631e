"""What optional packages keep in an application: opened once, closed with it."""

import asyncio
from pathlib import Path

import pytest

from aideator.app import Aideator, open_app
from aideator.app.background import open_background
from aideator.domain.errors import Unavailable
from aideator.settings import Settings


class Opened:
    """A resource that counts how often it was closed."""

    def __init__(self, app: Aideator) -> None:
        self.app = app
        self.closed = 0

    def close(self) -> None:
        self.closed += 1


async def test_a_resource_is_opened_once_and_closed_with_the_streams_and_the_app(
    home: Path,
) -> None:
    settings = Settings(_env_file=None, aideator_home=home)
    async with open_app(settings, work=False) as app:
        opened = app.resource(Opened)
        assert opened is app.resource(Opened)
        assert opened.app is app
        app.end_streams()
        assert opened.closed == 1
    assert opened.closed == 2


async def test_an_application_for_reading_says_that_it_carries_nothing_out(
    home: Path,
) -> None:
    settings = Settings(_env_file=None, aideator_home=home)
    async with open_app(settings, work=False) as app:
        with pytest.raises(Unavailable, match="for reading only"):
            _ = app.working


async def test_background_tasks_end_with_the_block_which_raises_its_own_error() -> None:
    ended: list[str] = []

    async def wait(name: str) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(name)

    async def fail() -> None:
        async with open_background() as start:
            start(wait("first"))
            start(wait("second"))
            await asyncio.sleep(0)
            raise Unavailable("the block's own")

    with pytest.raises(Unavailable):
        await fail()
    assert sorted(ended) == ["first", "second"]
