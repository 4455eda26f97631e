"""Stages that many Hypothesis examples share."""

import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from aideator.gateway.app import Limits
from tests.gateway.provider import whole
from tests.gateway.stage import Stage, open_stage


@pytest.fixture(scope="module")
async def wide() -> AsyncIterator[Stage]:
    """One stage for a whole module, without a rate limit that examples could reach together."""
    with tempfile.TemporaryDirectory(prefix="aid-") as folder:
        async with open_stage(
            Path(folder), whole(b""), limits=Limits(calls_per_minute=1_000_000)
        ) as stage:
            yield stage
