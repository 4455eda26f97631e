"""The demo's scenario with the real SDK and the real tools on a real repository."""

import subprocess
import sys
from pathlib import Path

import pytest

from aideator.domain.run import RunSpec
from aideator.testing import make_demo_repo, scripted_model
from aideator.testing.model.scenario import load
from tests.conftest import git
from tests.testing.conftest import MakeClient, text_of, work

AT_ONCE = load("demo").at_once()


@pytest.fixture
def spec(home: Path) -> RunSpec:
    return RunSpec.model_validate(make_demo_repo(home / "reflow"))


def passing(spec: RunSpec) -> set[str]:
    return {
        check.label
        for check in spec.checks or ()
        if subprocess.run(
            check.command, shell=True, cwd=spec.repo_url, capture_output=True
        ).returncode
        == 0
    }


def test_the_demo_project_has_one_real_bug(spec: RunSpec) -> None:
    assert passing(spec) == {"layout"}


def test_running_the_tests_leaves_the_tree_clean(spec: RunSpec) -> None:
    passing(spec)
    assert git(Path(spec.repo_url), "status", "--porcelain") == ""


def test_the_demo_repository_is_the_same_commit_everywhere(home: Path) -> None:
    commits = {
        git(Path(make_demo_repo(home / name)["repo_url"]), "rev-parse", "HEAD")
        for name in ("one", "two")
    }
    assert len(commits) == 1


def test_an_occupied_directory_is_left_alone(home: Path) -> None:
    (home / "notes.txt").write_text("mine")
    done = subprocess.run(
        [sys.executable, "-m", "aideator.testing.demo_repo", str(home)],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert "is not empty" in done.stderr
    assert [path.name for path in home.iterdir()] == ["notes.txt"]


@pytest.mark.parametrize(
    ("variation", "fixed", "last_words"),
    [
        (1, {"wrap", "layout"}, "All 9 tests pass"),
        (2, {"wrap", "layout"}, "All 8 tests pass"),
        (3, {"wrap"}, "All 4 tests of"),
    ],
)
async def test_two_variations_repair_the_project_and_the_third_breaks_it(
    spec: RunSpec,
    client_of: MakeClient,
    variation: int,
    fixed: set[str],
    last_words: str,
) -> None:
    async with scripted_model(AT_ONCE) as model:
        client = client_of(model.url, f"lease-{variation}-demo")
        answers = await work(client, Path(spec.repo_url), spec.prompt)
    assert last_words in text_of(answers[-1])
    assert answers[-1].stop_reason == "end_turn"
    assert passing(spec) == fixed


async def test_the_second_variation_sees_a_test_fail_and_answers_to_it(
    spec: RunSpec, client_of: MakeClient
) -> None:
    async with scripted_model(AT_ONCE) as model:
        answers = await work(
            client_of(model.url, "lease-2-demo"), Path(spec.repo_url), spec.prompt
        )
    assert any(
        "2 tests fail, `test_a_hyphenated_word_stays_whole` first" in text_of(answer)
        for answer in answers
    )
