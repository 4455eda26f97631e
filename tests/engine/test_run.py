"""What makes runs ask the same, and what a run comes to."""

import pytest

from aideator.domain.check import Command
from aideator.domain.project import Project
from aideator.domain.run import (
    AgentSpec,
    RunSpec,
    RunStatus,
    Variation,
    VariationStatus,
)
from aideator.engine.run import _outcome, question

PROJECT = Project(commit="0" * 40, setup=(), checks=(), protected=())
FINISHED, FAILED, CANCELLED = (
    VariationStatus.FINISHED,
    VariationStatus.FAILED,
    VariationStatus.CANCELLED,
)


def spec(*models: str, prompt: str = "Make addition add") -> RunSpec:
    lineup = tuple(AgentSpec(model=model) for model in models)
    return RunSpec(repo_url="/repo", prompt=prompt, lineup=lineup)


def test_the_order_of_the_lineup_changes_no_question() -> None:
    assert question(spec("a", "b"), PROJECT) == question(spec("b", "a"), PROJECT)


def test_whatever_a_run_asks_with_changes_its_question() -> None:
    setup = (Command(command="make"),)
    questions = [
        question(spec("a", "b"), PROJECT),
        question(spec("a"), PROJECT),
        question(spec("a", "c"), PROJECT),
        question(spec("a", "b", prompt="Make addition subtract"), PROJECT),
        question(spec("a", "b"), PROJECT.model_copy(update={"commit": "1" * 40})),
        question(spec("a", "b"), PROJECT.model_copy(update={"setup": setup})),
        question(spec("a", "b"), PROJECT.model_copy(update={"protected": ("x",)})),
    ]
    assert len(set(questions)) == len(questions)


@pytest.mark.parametrize(
    ("ends", "outcome"),
    [
        ([FINISHED, FAILED, CANCELLED], RunStatus.FINISHED),
        ([FAILED, FINISHED], RunStatus.FINISHED),
        ([CANCELLED, FAILED], RunStatus.FAILED),
        ([CANCELLED, CANCELLED], RunStatus.CANCELLED),
    ],
)
def test_a_run_has_finished_if_one_variation_has(
    ends: list[VariationStatus], outcome: RunStatus
) -> None:
    variations = [
        Variation(run_id="r1", number=number, spec=AgentSpec(), status=end)
        for number, end in enumerate(ends, start=1)
    ]
    assert _outcome(variations) is outcome
