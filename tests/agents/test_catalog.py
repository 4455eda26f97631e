"""The catalogue, and what can be said about an agent before any model is asked."""

import pytest

from aideator.agents.catalog import catalog, validate_agent
from aideator.agents.factory import make_agent
from aideator.domain.errors import UnknownName
from aideator.domain.run import AgentSpec


def test_the_catalogue_has_our_own_agent() -> None:
    row = catalog()["builtin"]
    assert row.models.default in row.models.known
    assert row.env["ANTHROPIC_AUTH_TOKEN"] == "{token}"


def test_an_unknown_agent_is_refused_with_the_names_of_those_that_exist() -> None:
    spec = AgentSpec(agent="clippy")
    for take in (make_agent, validate_agent):
        with pytest.raises(
            UnknownName, match="there is no agent 'clippy'; there are: builtin"
        ) as refused:
            take(spec)
        assert [error.field for error in refused.value.fields] == ["agent"]


@pytest.mark.parametrize(
    ("spec", "fields"),
    [
        (AgentSpec(), []),
        (AgentSpec(effort="max", max_turns=3, instructions="Be brief."), []),
        (AgentSpec(temperature=0.5), ["temperature"]),
        (AgentSpec(model="claude-opus-4-7", temperature=0.5), ["temperature"]),
        (AgentSpec(model="claude-opus-4-6", temperature=0.5), []),
        (
            AgentSpec(model="claude-haiku-4-5-20251001", temperature=0.5, effort="low"),
            ["effort"],
        ),
        (AgentSpec(model="a-model-of-next-year", temperature=0.5, effort="low"), []),
    ],
)
def test_a_parameter_that_the_model_rejects_is_named_at_submission(
    spec: AgentSpec, fields: list[str]
) -> None:
    wrong = validate_agent(spec)
    assert [error.field for error in wrong] == fields
    assert all((spec.model or "claude-opus-5-5") in error.message for error in wrong)
