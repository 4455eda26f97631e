"""One open server for all tests that do not need their own."""

import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.api.stage import Stage, open_stage


@pytest.fixture(scope="session")
async def stage() -> AsyncIterator[Stage]:
    with tempfile.TemporaryDirectory(prefix="aid-") as home:
        async with open_stage(Path(home), sse_ping_interval=0.2) as opened:
            yield opened
