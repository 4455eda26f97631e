"""The first thing that a new user sees."""

from pathlib import Path

import pytest

from tests.actions import command


@pytest.mark.slow
def test_the_demo_shows_its_task_its_tie_and_commands_that_work(home: Path) -> None:
    done = command("demo", home=home, env={"COLUMNS": "100"})
    assert (done.returncode, done.stderr) == (0, "")
    head, _, rest = done.stdout.partition("fetching ")
    flat = " ".join(head.split())
    assert "get this task: wrap() returns lines that are longer" in flat
    assert "costs are simulated" in flat
    assert "cost, simulated" in rest
    assert "1 or 2: equally proven (high confidence)." in rest
    assert "`test_wrap.py`, which only 1 changes" in rest
    assert "Chosen by" not in rest

    steps = rest.partition("next:\n")[2].splitlines()
    state = home / "state" / "demo"
    [first, *_] = steps
    assert first.startswith(f"  AIDEATOR_HOME={state} aideator diff ")
    assert any("open http://127.0.0.1:8000/runs/" in step for step in steps)
    words = first.split()[2:]
    env = {"AIDEATOR_HOME": str(state)}
    assert command(*words, home=home, env=env).stdout.startswith("diff --git")
