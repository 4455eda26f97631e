"""The shipped conformance check, behaviour by behaviour, against the real back end."""

from pathlib import Path

import pytest

from aideator.sandbox.registry import open_backend
from aideator.testing.conformance import BEHAVIOURS, try_behaviour
from aideator.testing.conformance.context import Behaviour


@pytest.mark.parametrize(
    "behaviour", BEHAVIOURS, ids=lambda behaviour: behaviour.__name__
)
async def test_bubblewrap_keeps_its_promise(behaviour: Behaviour, home: Path) -> None:
    outcome = await try_behaviour(
        behaviour, open_backend("bubblewrap", runtime_dir=home / "run"), home
    )
    assert outcome.ok, outcome.detail
