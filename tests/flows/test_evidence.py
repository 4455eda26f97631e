"""The evidence about six agents whose work is known, and about faults on the way."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from aideator.domain.check import TestOutcome
from aideator.domain.events import CheckRun, Event, EvidenceGathered
from aideator.domain.ranking import Confidence, CrossOutcome, CrossTest
from aideator.domain.run import RunDetails, RunStatus
from aideator.domain.verdict import Change, CheckChange, FlagKind
from aideator.testing import scripted_model
from tests.actions import bodies, is_dense, server, start_server, stream, submit, user
from tests.conftest import comes_true, git
from tests.flows.planted import CHECK, PROMPT, plant, scenario

PASS, FAIL, NOT_COMPARABLE = (
    CrossOutcome.PASS,
    CrossOutcome.FAIL,
    CrossOutcome.NOT_COMPARABLE,
)
ABOVE, BELOW, SCALE = (
    "ClampTest.test_above",
    "ClampTest.test_below",
    "ScaleTest.test_scale",
)
OWN = "test_every.EveryNumberTest.test_never_leaves_the_bounds"
FLAKY = "test_often.EveryOtherTimeTest.test_every_other_time"


def row(done: RunDetails, number: int) -> CheckChange | None:
    verdict = done.variations[number - 1].verdict
    assert verdict is not None
    return verdict.checks[0] if verdict.checks else None


def told(found: CheckChange | None) -> dict[str, Change]:
    assert found is not None
    return {
        test.test.removeprefix("test_numbers."): test.change for test in found.tests
    }


def cross(done: RunDetails) -> dict[str, CrossTest]:
    assert done.evidence is not None
    return {
        test.test.removeprefix("test_numbers."): test
        for test in done.evidence.cross_tests
    }


@pytest.mark.slow
async def test_what_is_said_about_six_known_changes_is_true(home: Path) -> None:
    repo = plant(home / "planted")
    async with user(home, repo, scenario(), max_variations=6) as me:
        run = await me.asks(PROMPT, variations=6, checks=[{"command": CHECK}])
        events = await me.hears(run.id)
        done = await me.app.get(run.id)
        calls = len(me.model.requests)
        assert is_dense(events)
        assert done.status is RunStatus.FINISHED
        the_base_is_told_with_its_failing_test(events)
        each_verdict_is_right(done)
        the_cross_tests_find_what_the_projects_own_do_not(done, events)
        the_right_one_is_recommended_and_it_is_said_why(done)

        # The same question is not run twice: a second run of the same changes finds
        # every answer.
        again = await me.asks_and_waits(
            PROMPT, variations=6, checks=[{"command": CHECK}], fresh=True
        )
        assert len(me.model.requests) == 2 * calls
        assert again.evidence
        assert again.evidence.cost.sandboxes == 0
        assert again.evidence.cost.cached > 0
        assert done.evidence
        assert again.evidence.cross_tests == done.evidence.cross_tests
        assert [v.verdict for v in again.variations] == [
            v.verdict for v in done.variations
        ]


def the_base_is_told_with_its_failing_test(events: list[Event]) -> None:
    (base,) = [
        b.result
        for e in events
        if e.variation_id is None and isinstance(b := e.body, CheckRun)
    ]
    assert base.counts == {TestOutcome.PASSED: 2, TestOutcome.FAILED: 1}
    assert [test.test for test in base.tests] == [f"test_numbers.{ABOVE}"]


def each_verdict_is_right(done: RunDetails) -> None:
    right, overfits, breaks, cheats, nothing, flaky = (
        row(done, number) for number in range(1, 7)
    )
    assert told(right) == {ABOVE: Change.FIXED, OWN: Change.NEW}
    # By the project's own tests these two look as good.
    assert told(overfits) == {ABOVE: Change.FIXED}
    assert told(cheats) == {ABOVE: Change.FIXED}
    assert told(breaks) == {ABOVE: Change.FIXED, SCALE: Change.BROKEN}
    assert breaks
    assert breaks.counts == {Change.FIXED: 1, Change.BROKEN: 1, Change.STILL_PASSING: 1}
    assert "AssertionError: 8 != 10" in breaks.tests[0].message
    assert nothing is None
    assert told(flaky) == {ABOVE: Change.FIXED, FLAKY: Change.FLAKY}
    changes = [
        found.change if found else None
        for found in (right, overfits, breaks, cheats, nothing, flaky)
    ]
    assert changes == [
        Change.FIXED,
        Change.FIXED,
        Change.BROKEN,
        Change.FIXED,
        None,
        Change.FLAKY,
    ]


def the_cross_tests_find_what_the_projects_own_do_not(
    done: RunDetails, events: list[Event]
) -> None:
    found = cross(done)
    assert set(found) == {OWN, ABOVE, FLAKY}
    # The right one's test finds the one that overfits, and those that repaired nothing.
    own = found[OWN]
    assert (own.authors, own.base, own.stable, own.file) == (
        (1,),
        FAIL,
        True,
        "test_every.py",
    )
    assert own.outcomes == {1: PASS, 2: FAIL, 3: PASS, 4: FAIL, 5: FAIL, 6: PASS}
    assert "not found in range(0, 11)" in own.messages[2]
    # The edited test passes where nothing was repaired.
    edited = found[ABOVE]
    assert (edited.authors, edited.base) == ((4,), PASS)
    assert edited.outcomes == {1: FAIL, 2: FAIL, 3: FAIL, 4: PASS, 5: PASS, 6: FAIL}
    # The flaky one is not even run on others.
    assert found[FLAKY].stable is False
    assert set(found[FLAKY].outcomes.values()) == {NOT_COMPARABLE}

    assert done.evidence
    assert done.evidence.cost.sandboxes > 0
    assert done.evidence.cost.left_out == 0
    last = bodies(events, "evidence")[-1]
    assert isinstance(last, EvidenceGathered)
    assert last.evidence == done.evidence


def the_right_one_is_recommended_and_it_is_said_why(done: RunDetails) -> None:
    flags = {
        v.number: v.verdict.flags
        for v in done.variations
        if v.verdict and v.verdict.flags
    }
    assert list(flags) == [4]
    ((flag,),) = flags.values()
    assert (flag.kind, flag.path, flag.hunk) == (
        FlagKind.WEAKENED_TEST,
        "test_numbers.py",
        0,
    )
    assert (
        flag.message
        == "The existing test `test_above` expects something else than before."
    )

    assert done.evidence
    assert done.evidence.groups == ((1, 6), (2,), (3,), (4,), (5,))
    assert done.evidence.agreement == pytest.approx(1 / 3)
    assert done.evidence.identical == ()
    # The cheat's test is weighed too, but its flag keeps it out of the ranking.
    assert {
        name: (test.weight, test.why_not) for name, test in cross(done).items()
    } == {
        OWN: (3, ""),
        ABOVE: (1, ""),
        FLAKY: (0, "it said different things on the same tree"),
    }

    assert done.ranking
    assert (done.ranking.recommended, done.ranking.confidence) == (1, Confidence.HIGH)
    assert done.ranking.order == (1, 6, 2, 4, 3, 5)
    assert done.ranking.reasons == (
        "Variation 1 fixes 1 of 1 test that failed on the base, breaks none of 2 that "
        "passed and passes 1 of 1 "
        "cross-test; 2 of 6 variations behave alike.",
        "Variations 1 and 6 prove the same; nothing that was run tells them apart.",
        "Variation 2 passes 0 of 1 cross-test, of less weight.",
        "Variation 4 fixes 1 of 1 test that failed on the base and breaks none of 2 "
        "that passed, but touches what "
        "proves it (`test_numbers.py`), which needs your word.",
        f"Variation 3 breaks `test_numbers.{SCALE}`, which passed on the base.",
        "Variation 5 changed nothing.",
    )


def lanes(**calls: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "lanes": {
            name.lstrip("v"): [{"calls": each}, {"say": "Done."}]
            for name, each in calls.items()
        }
    }


REPAIR = "sed -i 's/return a - b/return a + b/' calc.py"
REPAIR_WITH_SUM = "sed -i 's/return a - b/return sum((a, b))/' calc.py"
HEAD = (
    "import unittest\n\nfrom calc import {}\n\n\nclass NewTest(unittest.TestCase):\n  "
    "  def test_new(self):\n"
)


def adds(name: str, body: str, imports: str = "add") -> dict[str, Any]:
    return {
        "write": {
            "file_path": name,
            "content": HEAD.format(imports) + f"        {body}\n",
        }
    }


def shell(command: str) -> dict[str, Any]:
    return {"bash": {"command": command}}


async def test_a_test_of_what_only_its_author_has_is_not_comparable(
    home: Path, repo: Path
) -> None:
    renames = shell(
        "sed -i 's/def add/def plus/; s/return a - b/return a + b/; $a add = plus' "
        "calc.py"
    )
    script = lanes(
        v1=[renames, adds("test_plus.py", "self.assertEqual(plus(1, 1), 2)", "plus")],
        v2=[shell(REPAIR), adds("test_add.py", "self.assertEqual(add(1, 1), 2)")],
    )
    async with user(home, repo, script) as me:
        done = await me.asks_and_waits(variations=2)
    found = cross(done)
    plus, add = found["test_plus.NewTest.test_new"], found["test_add.NewTest.test_new"]
    assert (plus.outcomes, plus.base) == ({1: PASS, 2: NOT_COMPARABLE}, NOT_COMPARABLE)
    assert "cannot import name 'plus'" in plus.messages[2]
    assert (add.outcomes, add.base) == ({1: PASS, 2: PASS}, FAIL)


async def test_files_of_one_name_do_not_meet_and_identical_tests_are_one(
    home: Path, repo: Path
) -> None:
    same = adds("test_same.py", "self.assertEqual(add(2, 2), 4)")
    script = lanes(
        v1=[shell(REPAIR), same, adds("test_x.py", "self.assertEqual(add(1, 0), 1)")],
        v2=[shell(REPAIR_WITH_SUM), same],
        v3=[shell(REPAIR), adds("test_x.py", "self.assertEqual(add(0, 0), 0)")],
    )
    async with user(home, repo, script) as me:
        done = await me.asks_and_waits(variations=3)
    assert done.evidence
    tests = {(test.test, test.authors): test for test in done.evidence.cross_tests}
    assert set(tests) == {
        ("test_same.NewTest.test_new", (1, 2)),
        ("test_x.NewTest.test_new", (1,)),
        ("test_x.NewTest.test_new", (3,)),
    }
    assert all(set(test.outcomes.values()) == {PASS} for test in tests.values())
    # The base fails what really asks for the sum; 0 + 0 it gets right.
    assert [test.base for test in tests.values()] == [FAIL, PASS, PASS]


async def test_helpers_and_data_come_along_and_harm_nobody_else(
    home: Path, repo: Path
) -> None:
    reads = "self.assertEqual(add(1, 2), int(open('tests/data.txt').read()))"
    script = lanes(
        v1=[
            shell(
                f"{REPAIR} && mkdir tests && echo 3 > tests/data.txt && touch "
                "tests/__init__.py"
            ),
            adds("tests/test_data.py", reads),
        ],
        v2=[shell(REPAIR)],
    )
    async with user(home, repo, script) as me:
        done = await me.asks_and_waits(variations=2)
    assert cross(done)["tests.test_data.NewTest.test_new"].outcomes == {
        1: PASS,
        2: PASS,
    }


async def test_a_foreign_test_that_kills_its_sandbox_costs_evidence_not_the_run(
    home: Path, repo: Path
) -> None:
    kills = "\n        ".join(
        [
            "import os, calc",
            "if 'sum' in open(calc.__file__).read(): os.kill(-1, 9)",
            "self.assertEqual(add(1, 1), 2)",
        ]
    )
    script = lanes(
        v1=[shell(REPAIR), adds("test_kill.py", kills)],
        v2=[
            shell(REPAIR_WITH_SUM),
            adds("test_fine.py", "self.assertEqual(add(2, 2), 4)"),
        ],
    )
    async with user(home, repo, script) as me:
        done = await me.asks_and_waits(variations=2)
    assert done.status is RunStatus.FINISHED
    found = cross(done)
    assert found["test_kill.NewTest.test_new"].outcomes == {1: PASS, 2: NOT_COMPARABLE}
    assert found["test_fine.NewTest.test_new"].outcomes == {1: PASS, 2: PASS}
    assert done.evidence
    assert any(
        "variation 1 could not be run on variation 2" in note
        for note in done.evidence.notes
    )


@pytest.mark.parametrize(
    ("bounds", "sandboxes"),
    [({"sandboxes": 0}, 0), ({"seconds": 0}, 0), ({"sandboxes": 2}, 2)],
)
async def test_what_the_bounds_do_not_allow_is_left_out_and_said(
    home: Path, repo: Path, bounds: dict[str, Any], sandboxes: int
) -> None:
    script = lanes(
        v1=[shell(REPAIR), adds("test_a.py", "self.assertEqual(add(2, 2), 4)")],
        v2=[shell(REPAIR)],
    )
    async with user(home, repo, script) as me:
        done = await me.asks_and_waits(variations=2, comparison=bounds)
    assert done.evidence
    assert done.evidence.cost.sandboxes == sandboxes
    assert done.evidence.cost.left_out == (1 if sandboxes else 2)
    assert "the bound on sandboxes or seconds was reached" in done.evidence.notes[0]


async def test_cross_tests_can_be_turned_off(home: Path, repo: Path) -> None:
    script = lanes(
        v1=[shell(REPAIR), adds("test_a.py", "self.assertEqual(add(2, 2), 4)")],
        v2=[shell(REPAIR)],
    )
    async with user(home, repo, script) as me:
        done = await me.asks_and_waits(
            variations=2, comparison={"cross_tests": False, "reruns": 0}
        )
    assert done.evidence
    assert (done.evidence.cross_tests, done.evidence.cost.sandboxes) == ((), 0)
    assert told(row(done, 2)) == {"test_calc.CalcTest.test_add": Change.FIXED}


SLOW_TEST = "__import__('time').sleep({}); self.assertEqual(add(1, 1), 2)"


async def test_cancelling_while_tests_examine_ends_the_run_at_once_with_what_is_known(
    home: Path, repo: Path
) -> None:
    hangs = (
        "__import__('calc').__file__ and 'sum' in open('calc.py').read() and "
        "__import__('time').sleep(600)"
    )
    script = lanes(
        v1=[shell(REPAIR), adds("test_slow.py", hangs)],
        v2=[shell(REPAIR_WITH_SUM)],
    )
    async with user(home, repo, script) as me:
        run = await me.asks(variations=2)
        await me.hears(run.id, until="variation_finished")
        await until_examined(home, run.id)
        begun = asyncio.get_running_loop().time()
        await me.app.cancel(run.id)
        took = asyncio.get_running_loop().time() - begun
        events = await me.hears(run.id)
        done = await me.app.get(run.id)
    assert took < 10  # a hang, not a measurement
    assert done.status is RunStatus.FINISHED  # its variations had come to their end
    assert done.ranking
    assert events[-1].body.kind == "complete"
    assert not list((home / "state" / "forks").glob("*"))


async def until_examined(home: Path, run_id: str) -> None:
    """Wait until a foreign test runs."""
    forks = home / "state" / "forks"
    await comes_true(lambda: any(forks.glob(f"{run_id}-cross-2*")))


@pytest.mark.slow
async def test_after_kill_9_while_tests_examine_the_next_start_finds_what_was_known(
    home: Path, repo: Path
) -> None:
    script = lanes(
        v1=[shell(REPAIR), adds("test_slow.py", SLOW_TEST.format(2))],
        v2=[shell(REPAIR_WITH_SUM)],
    )
    async with scripted_model(script) as model:
        first = await start_server(home, model.url)
        async with first.client() as client:
            asked = {"repo_url": str(repo), "prompt": PROMPT, "variations": 2}
            run_id = await submit(client, asked)
            await until_examined(home, run_id)
        await first.kill()
        calls = len(model.requests)
        async with server(home, model.url) as second, second.client() as client:
            events = await stream(client, run_id)
            done = RunDetails.model_validate(
                (await client.get(f"/runs/{run_id}")).json()
            )
        assert len(model.requests) == calls
    assert is_dense(events)
    assert done.status is RunStatus.FINISHED
    assert {v.attempt for v in done.variations} == {1}  # no agent ran again
    assert cross(done)["test_slow.NewTest.test_new"].outcomes == {1: PASS, 2: PASS}
    assert len(bodies(events, "complete")) == 1
    assert not list((home / "state" / "forks").glob("*"))


async def test_a_follow_up_has_the_evidence_taken_anew(home: Path, repo: Path) -> None:
    # The follow-up goes on with the same conversation, so its turns come after the
    # first ones.
    repairs = [{"calls": [shell(REPAIR_WITH_SUM)]}, {"say": "Done."}]
    tests = [
        {"calls": [adds("test_a.py", "self.assertEqual(add(2, 2), 4)")]},
        {"say": "Done."},
    ]
    script = {
        "lanes": {
            "1": [{"calls": [shell(REPAIR)]}, {"say": "Done."}],
            "2": [*repairs, *tests],
        }
    }
    async with user(home, repo, script) as me:
        first = await me.asks_and_waits(variations=2)
        assert first.evidence
        assert first.evidence.cross_tests == ()
        await me.app.prompt(first.id, 2, "Now add a test as well, please")
        done = await me.waits(first.id)
    assert cross(done)["test_a.NewTest.test_new"].outcomes == {1: PASS, 2: PASS}


async def test_a_base_that_cannot_run_its_tests_proves_nothing_and_is_asked_again(
    home: Path, repo: Path
) -> None:
    (repo / "test_calc.py").write_text("import missing_tool\n")
    git(repo, "commit", "-qam", "A tool is missing")
    async with user(home, repo, lanes(v1=[shell("echo '# x' >> calc.py")])) as me:
        done = await me.asks_and_waits()
    found = row(done, 1)
    assert told(found) == {"test_calc": Change.STILL_FAILING}


async def test_variations_may_have_the_same_change_at_the_same_time(
    home: Path, repo: Path
) -> None:
    async with user(
        home, repo, lanes(v1=[shell(REPAIR)], v2=[shell(REPAIR)], v3=[shell(REPAIR)])
    ) as me:
        done = await me.asks_and_waits(
            variations=3, checks=[{"command": "sleep 1; python3 -m unittest"}]
        )
    assert [v.failure for v in done.variations] == [None] * 3
    first, *others = [v.verdict.checks for v in done.variations if v.verdict]
    assert others == [first, first]


async def test_what_was_measured_in_one_environment_is_not_believed_in_another(
    home: Path, repo: Path
) -> None:
    async with user(home, repo, lanes(v1=[shell(REPAIR)])) as me:
        for version in ("one", "two", "two"):
            setup = [{"command": f"echo {version} > installed"}]
            run = await me.asks(
                setup=setup, checks=[{"command": "cat installed"}], fresh=True
            )
            told = bodies(await me.hears(run.id), "check")
            told_of_base, told_of_change = [
                body.result.output for body in told if isinstance(body, CheckRun)
            ]
            assert (told_of_base, told_of_change) == (f"{version}\n", f"{version}\n")
