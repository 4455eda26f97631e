"""A submission means what it says, and statuses move legally."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from aideator.domain.errors import AideatorError, Conflict
from aideator.domain.run import (
    RUN_TRANSITIONS,
    AgentSpec,
    RunSpec,
    RunStatus,
    check_transition,
)
from aideator.domain.usage import Usage

ASKED = {
    "github_url": "https://github.com/user/repo",
    "prompt": "Refactor the main function",
}


def test_the_documented_submission_is_valid() -> None:
    spec = RunSpec.model_validate({**ASKED, "variations": 3})
    assert spec.repo_url == "https://github.com/user/repo"
    assert spec.agents() == (AgentSpec(),) * 3


def test_the_lineup_counts_itself() -> None:
    spec = RunSpec.model_validate(
        {**ASKED, "lineup": [{"effort": "high"}, {"model": "claude-haiku-5-5"}]}
    )
    assert spec.variations == 2
    assert spec.agents()[0].effort == "high"


def test_the_agent_config_is_that_of_every_agent() -> None:
    spec = RunSpec.model_validate(
        {**ASKED, "variations": 2, "agent_config": {"max_turns": 7}}
    )
    assert [agent.max_turns for agent in spec.agents()] == [7, 7]


@pytest.mark.parametrize(
    "wrong",
    [
        {"variations": 0},
        {"variations": 101},
        {"prompt": "no"},
        {"lineup": [{}], "variations": 2},
        {"lineup": []},
        {"budget": {"run_usd": 0}},
        {"agent_config": {"temperature": 2}},
        {"unknown": 1},
        {"sandbox": "none"},
    ],
)
def test_a_wrong_submission_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        RunSpec.model_validate({**ASKED, **wrong})


def test_a_spec_survives_its_own_json() -> None:
    spec = RunSpec.model_validate(
        {**ASKED, "lineup": [{"effort": "low"}], "checks": [{"command": "make test"}]}
    )
    assert RunSpec.model_validate_json(spec.model_dump_json()) == spec


def test_every_status_has_its_moves_and_an_illegal_one_is_a_conflict() -> None:
    assert set(RUN_TRANSITIONS) == set(RunStatus)
    check_transition(RunStatus.RUNNING, RunStatus.FINISHED)
    with pytest.raises(Conflict, match="finished; it cannot become queued"):
        check_transition(RunStatus.FINISHED, RunStatus.QUEUED)


@given(
    st.lists(
        st.builds(Usage, requests=st.integers(0, 9), input_tokens=st.integers(0, 99)),
        max_size=5,
    )
)
def test_usage_adds_up_in_any_order(usages: list[Usage]) -> None:
    assert sum(usages, Usage()) == sum(reversed(usages), Usage())


def test_an_unknown_price_makes_the_sum_unknown() -> None:
    assert (Usage(cost_usd=None) + Usage(cost_usd=1.0)).cost_usd is None


def test_an_error_without_a_message_says_its_docstring() -> None:
    assert str(AideatorError()) == "AIdeator could not do what was asked."
