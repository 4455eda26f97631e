"""The scenario format: errors name their place, branches follow the tool results."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aideator.agents.builtin.tools import SCHEMAS
from aideator.testing.model.protocol import InvalidRequest, check_call
from aideator.testing.model.scenario import (
    SCENARIOS,
    Branch,
    Choice,
    Fault,
    Figures,
    Scenario,
    ScenarioError,
    Step,
    Turn,
    When,
    load,
)
from aideator.testing.model.script import END, Round, due_turn

ASKED = Round("Do it.")


def lane(*steps: dict[str, Any]) -> tuple[Step, ...]:
    return load({"lanes": {"default": list(steps)}}).lane(None)


def branches(*branches: dict[str, Any]) -> dict[str, Any]:
    return {"choose": list(branches)}


def said(steps: tuple[Step, ...], *rounds: Round) -> str:
    return due_turn(steps, rounds).turn.say


def every_turn(steps: tuple[Step, ...]) -> list[Turn]:
    turns = list[Turn]()
    for step in steps:
        if isinstance(step, Turn):
            turns.append(step)
            continue
        for branch in step.choose:
            turns += every_turn(branch.turns)
    return turns


@pytest.mark.parametrize(
    "path", sorted(SCENARIOS.glob("*.yaml")), ids=lambda path: path.stem
)
def test_every_shipped_scenario_calls_the_builtin_agents_tools_as_they_are(
    path: Path,
) -> None:
    scenario = load(path.stem)
    assert scenario.about
    for steps in scenario.lanes.values():
        for turn in every_turn(steps):
            for call in turn.calls:
                check_call(call.name, call.input, {"tools": SCHEMAS})


@given(st.lists(st.text(min_size=1), min_size=1, max_size=8), st.data())
def test_a_plain_lane_plays_its_turns_in_order_and_then_ends(
    words: list[str], data: st.DataObject
) -> None:
    steps = lane(*({"say": word} for word in words))
    number = data.draw(st.integers(0, len(words) + 2))
    assert (
        said(steps, *[ASKED] * (number + 1))
        == [*words, END.say, END.say, END.say][number]
    )


def test_the_first_branch_that_fits_is_taken_and_the_lane_goes_on_behind_it() -> None:
    steps = lane(
        {"say": "start"},
        branches(
            {
                "when": {"result": "^FAILED", "failed": True},
                "turns": [{"say": "red"}, {"say": "still red"}],
            },
            {"when": {"result": "^OK"}, "turns": [{"say": "green"}]},
            {"turns": []},
        ),
        {"say": "end"},
    )
    assert (
        said(steps, ASKED, Round("Do it.", "…\nFAILED (failures=1)", failed=True))
        == "red"
    )
    assert (
        said(steps, ASKED, Round("Do it.", "FAILED", failed=True), ASKED) == "still red"
    )
    assert (
        said(steps, ASKED, Round("Do it.", "FAILED", failed=True), ASKED, ASKED)
        == "end"
    )
    assert said(steps, ASKED, Round("Do it.", "FAILED")) == "end"
    assert said(steps, ASKED, Round("Do it.", "Ran 3 tests\nOK")) == "green"
    assert said(steps, ASKED, Round("Do it.", "something else")) == "end"


def test_a_branch_may_hold_another_choice() -> None:
    inner = branches(
        {"when": {"prompt": "please"}, "turns": [{"say": "with pleasure"}]},
        {"turns": [{"say": "no"}]},
    )
    steps = lane(branches({"turns": [inner]}))
    assert said(steps, Round("please")) == "with pleasure"
    assert said(steps, Round("now")) == "no"


def test_named_groups_fill_what_is_said_and_done_from_then_on() -> None:
    steps = lane(
        branches(
            {
                "when": {"result": r"(?P<count>\d+) failed"},
                "turns": [{"say": "{{count}} and {{other}}"}],
            }
        ),
        {
            "calls": [
                {"bash": {"command": "echo {{count}}", "more": [{"deep": "{{count}}"}]}}
            ]
        },
    )
    reply = Round("Do it.", "3 failed")
    assert said(steps, reply) == "3 and {{other}}"
    assert due_turn(steps, [reply, ASKED]).turn.calls[0].input == {
        "command": "echo 3",
        "more": [{"deep": "3"}],
    }


def test_a_repeated_turn_never_ends() -> None:
    steps = lane({"say": "again", "repeat": True}, {"say": "never"})
    assert said(steps, *[ASKED] * 50) == "again"


@pytest.mark.parametrize(
    ("lanes", "number", "expected"),
    [
        ({1: "one", 2: "two"}, 2, "two"),
        ({1: "one", 2: "two"}, 3, "one"),
        ({1: "one", 2: "two"}, 4, "two"),
        ({1: "one", 2: "two"}, None, "one"),
        ({1: "one", "default": "any"}, 3, "any"),
        ({1: "one", "default": "any"}, None, "any"),
    ],
)
def test_a_variation_without_a_lane_gets_the_default_or_the_lanes_go_round(
    lanes: dict[int | str, str], number: int | None, expected: str
) -> None:
    scenario = load({"lanes": {key: [{"say": word}] for key, word in lanes.items()}})
    assert said(scenario.lane(number), ASKED) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "lanes:\n  1:\n    - sya: hello\n",
            "bad.yaml:3: lanes.1.0.turn.sya: Extra inputs are not permitted",
        ),
        (
            "lanes:\n  1:\n    - think: hm\n",
            "bad.yaml:3: lanes.1.0.turn: Value error, a turn needs one of say",
        ),
        (
            "lanes:\n  1:\n    - say: x\n"
            "      calls:\n        - {bash: {}, read: {}}\n",
            "bad.yaml:5: lanes.1.0.turn.calls.0",
        ),
        (
            "lanes:\n  1:\n    - say: x\n      fault: {status: 200}\n",
            "bad.yaml:4: lanes.1.0.turn.fault.status",
        ),
        (
            "lanes:\n  1:\n    - fault: {status: 500, garbage: true}\n",
            "bad.yaml:3: lanes.1.0.turn.fault: Value error",
        ),
        (
            "lanes:\n  1:\n    - choose:\n"
            "        - when: {result: '('}\n          turns: []\n",
            "no regular expression",
        ),
        ("lanes:\n  zero: []\n", "bad.yaml:2: lanes"),
        ("about: nothing\n", "bad.yaml:1: lanes: Field required"),
        ("lanes: [\n", "bad.yaml: while parsing"),
        ("", "bad.yaml:0: : Input should be"),
    ],
)
def test_an_error_names_the_line_and_the_field(
    home: Path, text: str, expected: str
) -> None:
    (home / "bad.yaml").write_text(text)
    with pytest.raises(ScenarioError) as raised:
        load(home / "bad.yaml")
    assert expected in str(raised.value)


def test_an_unknown_scenario_says_which_there_are() -> None:
    with pytest.raises(
        ScenarioError, match=r"no scenario is called 'deom'; there are .*demo.*one_edit"
    ):
        load("deom")


def test_a_missing_file_is_an_error_of_the_scenario(home: Path) -> None:
    with pytest.raises(ScenarioError, match="No such file"):
        load(str(home / "none.yaml"))


def test_a_call_of_a_tool_that_is_not_offered_is_the_scenarios_fault() -> None:
    with pytest.raises(InvalidRequest, match="the turn calls 'fly'"):
        check_call("fly", {}, {"tools": SCHEMAS})
    with pytest.raises(InvalidRequest, match="bash takes"):
        check_call("bash", {"cmd": "ls"}, {"tools": SCHEMAS})


def test_a_scenario_survives_being_written_and_read_again() -> None:
    scenario = load("demo")
    assert Scenario.model_validate(scenario.model_dump()) == scenario
    assert Branch.model_validate({"turns": []}).when == Branch(turns=()).when


def test_the_reference_shows_a_scenario_that_works_and_names_every_field(
    home: Path,
) -> None:
    text = (Path(__file__).parents[2] / "docs/reference/scenarios.md").read_text()
    (home / "doc.yaml").write_text(text.split("```yaml\n")[1].split("```")[0])
    assert load(home / "doc.yaml").lanes
    parts = (Scenario, Turn, Choice, Branch, When, Fault, Figures)
    fields = set[str]().union(*(part.model_fields for part in parts))
    assert {name for name in fields if f"`{name}`" not in text} == set()
    assert {
        path.stem for path in SCENARIOS.glob("*.yaml") if f"`{path.stem}`" not in text
    } == set()
