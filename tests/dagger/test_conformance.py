"""The Dagger back end over the double keeps every promise of a sandbox."""

from pathlib import Path

import pytest

from aideator.testing.conformance import BEHAVIOURS, try_behaviour
from aideator.testing.conformance.context import Behaviour
from tests.dagger.conftest import MakeBackend


@pytest.mark.slow
@pytest.mark.parametrize(
    "behaviour", BEHAVIOURS, ids=lambda behaviour: behaviour.__name__
)
async def test_dagger_keeps_its_promise_over_the_double(
    behaviour: Behaviour, home: Path, dagger: MakeBackend
) -> None:
    outcome = await try_behaviour(behaviour, dagger(), home)
    assert outcome.ok, outcome.detail
