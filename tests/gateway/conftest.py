"""Harnesses that many Hypothesis examples share."""

import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from aideator.gateway.app import CallLimits
from tests.gateway.harness import Harness, open_harness
from tests.gateway.provider import whole


@pytest.fixture(scope="module")
async def wide() -> AsyncIterator[Harness]:
    """One harness for a module, without a rate limit that its examples could reach."""
    with tempfile.TemporaryDirectory(prefix="aid-") as folder:
        async with open_harness(
            Path(folder), whole(b""), limits=CallLimits(calls_per_minute=1_000_000)
        ) as harness:
            yield harness
