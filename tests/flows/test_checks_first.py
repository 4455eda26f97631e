"""Checks run on the base before any agent is paid, and one that cannot run stops it."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from aideator.domain.events import CheckRun
from aideator.domain.run import AgentSpec, RunStatus
from aideator.domain.verdict import Change
from aideator.testing import scripted_model
from tests.actions import bodies, command, is_dense, user
from tests.conftest import git

EDIT = "sed -i 's/return a - b/return a + b/' calc.py"
WORKS: dict[str, Any] = {
    "lanes": {
        "default": [{"calls": [{"bash": {"command": EDIT}}]}, {"say": "Done."}],
    }
}
GOOD = {"command": "python3 -m unittest discover"}
LACKS_MODULE = {"command": "python3 -m nosuchrunner -q"}


async def test_the_base_is_checked_before_any_agent_starts(
    home: Path, repo: Path
) -> None:
    async with user(home, repo, WORKS) as me:
        run = await me.asks(variations=2)
        events = await me.hears(run.id)
    kinds = [(event.body.kind, event.variation_id) for event in events]
    assert kinds.index(("check", None)) < min(
        kinds.index(("variation_started", number)) for number in (1, 2)
    )


@pytest.mark.parametrize(
    ("check", "words", "fix"),
    [
        (LACKS_MODULE, "No module named nosuchrunner", "pip install nosuchrunner"),
        ({"command": "nosuchprogram --all"}, "nosuchprogram", "--setup"),
        ({"command": "make nosuchtarget"}, "No rule to make target", "--check"),
        ({"command": "sleep 60", "timeout": 1}, "stopped after 1 s", "timeout 60"),
        ({"command": "kill -9 $$"}, "it was killed", "AGENT_MEMORY_LIMIT=2g"),
        (
            {"command": "python3 -m unittest discover -p 'nothing*.py'"},
            "no tests were found",
            "--check",
        ),
    ],
)
async def test_a_check_that_cannot_run_stops_the_run_before_the_model_is_asked(
    home: Path, repo: Path, check: dict[str, Any], words: str, fix: str
) -> None:
    async with user(home, repo, WORKS) as me:
        run = await me.asks(variations=3, checks=[GOOD, check])
        events = await me.hears(run.id)
        done = await me.app.get(run.id)
        assert not me.model.requests
    assert is_dense(events)
    assert done.status is RunStatus.FAILED
    assert done.failure is not None
    assert done.failure.reason == "CheckCannotRun"
    assert check["command"] in done.failure.message
    assert words in done.failure.message
    assert fix in done.failure.message
    assert "--keep-going" in done.failure.message
    assert all(variation.attempt == 0 for variation in done.variations)
    # The log holds what the check printed.
    (_, last) = bodies(events, "check")
    assert isinstance(last, CheckRun)
    assert words in last.result.could_not_run
    assert done.failure.output == last.result.output


async def test_a_missing_dependency_is_told_with_the_set_up_that_brings_it(
    home: Path, repo: Path
) -> None:
    (repo / "requirements.txt").write_text("tinymath\n")
    (repo / "test_calc.py").write_text("import tinymath\n")
    git(repo, "add", ".")
    git(repo, "commit", "-qm", "Need a package")
    async with user(home, repo, WORKS) as me:
        done = await me.asks_and_waits(checks=[GOOD], setup=[])
        assert not me.model.requests
    assert done.failure is not None
    assert "No module named 'tinymath'" in done.failure.message
    assert "pip install -r requirements.txt" in done.failure.message
    assert "SETUP_ALLOWED_HOSTS" in done.failure.message


async def test_a_run_that_keeps_going_leaves_such_a_check_out_of_the_evidence(
    home: Path, repo: Path
) -> None:
    async with user(home, repo, WORKS) as me:
        done = await me.asks_and_waits(
            variations=2, checks=[LACKS_MODULE, GOOD], keep_going=True
        )
    assert done.status is RunStatus.FINISHED
    for variation in done.variations:
        assert variation.verdict is not None
        (row,) = variation.verdict.checks
        assert (row.check, row.change) == (GOOD["command"], Change.FIXED)
        assert any("is no evidence" in note for note in variation.verdict.notes)
    assert done.ranking is not None
    assert not any(LACKS_MODULE["command"] in line for line in done.ranking.reasons)


async def test_the_first_tests_of_a_project_may_be_written_by_an_agent(
    home: Path, repo: Path
) -> None:
    git(repo, "rm", "-q", "test_calc.py")
    git(repo, "commit", "-qm", "No tests")
    test = (
        "import unittest, calc\n\n\nclass T(unittest.TestCase):\n"
        "    def test_it(self):\n        self.assertEqual(calc.add(3, 0), 3)\n"
    )
    write = f"cat > test_first.py <<'END'\n{test}END"
    lanes = {"default": [{"calls": [{"bash": {"command": write}}]}, {"say": "Done."}]}
    async with user(home, repo, {"lanes": lanes}) as me:
        done = await me.asks_and_waits(checks=[GOOD])
    assert done.status is RunStatus.FINISHED, done.failure


async def test_a_failed_run_measures_the_base_again_when_it_is_continued(
    home: Path, repo: Path
) -> None:
    async with user(home, repo, WORKS) as me:
        failed = await me.asks_and_waits(checks=[LACKS_MODULE])
        assert failed.status is RunStatus.FAILED
        await me.app.add(failed.id, AgentSpec())
        events = await me.hears(failed.id)
        again = await me.app.get(failed.id)
        assert not me.model.requests
    assert again.status is RunStatus.FAILED
    assert is_dense(events)
    # What the log says already is not said again.
    assert len(bodies(events, "check")) == 1


async def test_a_change_that_stops_a_check_from_running_has_broken_it(
    home: Path, repo: Path
) -> None:
    lanes = {
        "default": [
            {"calls": [{"bash": {"command": "rm Makefile"}}]},
            {"say": "Done."},
        ]
    }
    (repo / "Makefile").write_text("test:\n\tpython3 -m unittest discover -v\n")
    git(repo, "add", ".")
    git(repo, "commit", "-qm", "A Makefile")
    async with user(home, repo, {"lanes": lanes}) as me:
        done = await me.asks_and_waits(checks=[{"command": "make test"}])
    verdict = done.variations[0].verdict
    assert verdict is not None
    (row,) = verdict.checks
    assert row.change is Change.BROKEN
    assert "No rule to make target" in row.could_not_run
    assert "No rule to make target" in row.output


async def test_the_terminal_shows_why_and_what_to_paste(home: Path, repo: Path) -> None:
    async with scripted_model("one_edit") as model:
        done = await asyncio.to_thread(
            command,
            "run",
            str(repo),
            "Make the failing test pass, please",
            *("--check", LACKS_MODULE["command"]),
            home=home,
            env={"ANTHROPIC_BASE_URL": model.url, "ANTHROPIC_API_KEY": "x"},
        )
    assert done.returncode == 1
    text = " ".join(done.stdout.split())
    assert "No module named nosuchrunner" in text
    assert '--setup "python -m pip install nosuchrunner"' in text
    assert "not fixed" not in text
    assert "still fails" not in text
    assert text.count("pip install nosuchrunner") <= 2
