"""Abuse probes in a container over the double: what the launcher itself blocks."""

import asyncio
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from aideator.repositories.untrusted_tree import remove_tree
from aideator.sandbox.registry import open_backend
from aideator.testing.abuse import PROBES, ProbeOutcome, expected
from aideator.testing.abuse.__main__ import sweep
from tests.dagger.conftest import make_double

KNOWN = {
    "arguments_of_pid_1": (
        "the double's own first process shows how it was started; the engine's is its "
        "init"
    ),
    "weakness_of_pid_1": (
        "the first process is the engine's, and root's: no process of the sandbox can "
        "reach it"
    ),
}
"""Probes that get through, with the reason."""
ALONE = [
    name
    for name, probe in PROBES.items()
    if probe.group == "resources" and not probe.mild
]
"""Probes that may end their sandbox: each has one of its own."""


@pytest.fixture(scope="module")
def found() -> Iterator[dict[str, tuple[ProbeOutcome, str]]]:
    if os.geteuid() != 0:
        pytest.skip("the double needs root to be an engine")
    directory = Path(tempfile.mkdtemp(prefix="aid-"))
    directory.chmod(0o711)
    engine = tempfile.mkdtemp(prefix="aid-engine-")
    backend = open_backend(
        "dagger",
        runtime_dir=directory / "run",
        program=str(make_double(directory)),
        runner_host=f"double://{engine}?",
        server=os.environ,
    )
    outcomes: dict[str, tuple[ProbeOutcome, str]] = {}
    for number, names in enumerate(
        [[name for name in PROBES if name not in ALONE], *([name] for name in ALONE)]
    ):
        (directory / str(number)).mkdir(mode=0o711)
        isolation, some = asyncio.run(sweep(directory / str(number), names, backend))
        outcomes |= {
            name: (outcome, expected(name, isolation)) for name, outcome in some.items()
        }
    yield outcomes
    remove_tree(directory)
    shutil.rmtree(engine, ignore_errors=True)


@pytest.mark.slow
@pytest.mark.parametrize("name", PROBES)
def test_a_container_holds_a_probe_or_is_known_to_let_it_through(
    name: str, found: dict[str, tuple[ProbeOutcome, str]]
) -> None:
    outcome, wanted = found[name]
    if name in KNOWN:
        assert outcome.result == "reached", (
            f"no longer known to get through: {KNOWN[name]}"
        )
        pytest.skip(KNOWN[name])
    assert outcome.result == wanted or (
        PROBES[name].allowed and outcome.result == "blocked"
    ), outcome.detail
