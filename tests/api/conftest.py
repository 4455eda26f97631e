"""An open server for each test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.api.stage import Stage, open_stage


@pytest.fixture
async def stage(home: Path) -> AsyncIterator[Stage]:
    async with open_stage(home, sse_ping_interval=0.2) as opened:
        yield opened
