"""A run about one folder of a larger repository, such as a package of a monorepo."""

from pathlib import Path
from typing import Any

import pytest

from aideator.checks.runners import plan
from aideator.domain.check import Check, TestOutcome, TestResult
from aideator.domain.run import RunSpec, RunStatus
from aideator.domain.verdict import Change
from aideator.repositories.source import find_root
from tests.actions import command, user
from tests.conftest import git, make_home, make_repo


def monorepo(home: Path) -> Path:
    """A repository with the project of the fixture `repo` in `packages/app`."""
    root = make_repo(home)
    (root / "packages").mkdir()
    (root / "packages" / "app").mkdir()
    git(root, "mv", "calc.py", "test_calc.py", "packages/app")
    (root / "test_of_root.py").write_text("def test_root(): assert False\n")
    (root / ".aideator.toml").write_text('protected = ["contract/**"]\n')
    git(root, "add", "-A")
    git(root, "commit", "-qm", "A monorepo")
    return root


def edit(path: str) -> dict[str, Any]:
    return {
        "edit": {
            "file_path": path,
            "old_string": "return a - b",
            "new_string": "return a + b",
        }
    }


@pytest.mark.parametrize("named", ["calc.py", "packages/app/calc.py"])
async def test_agent_and_checks_work_in_the_folder_and_paths_are_those_of_the_root(
    home: Path, named: str
) -> None:
    root = monorepo(home)
    here = {"bash": {"command": "pwd > where.txt"}}
    scenario = {
        "lanes": {"default": [{"calls": [edit(named), here]}, {"say": "Done."}]}
    }
    async with user(home, root, scenario) as me:
        done = await me.asks_and_waits(path="./packages/app/")
        patch = await me.app.patch(done.id, 1)
        again = await me.asks_and_waits(path="packages/app/.", fresh=True)
    assert done.status is RunStatus.FINISHED
    assert [check.command for check in done.checks] == ["python3 -m unittest discover"]
    assert done.protected == ("contract/**",)
    verdict = done.variations[0].verdict
    assert verdict is not None
    assert verdict.paths == ("packages/app/calc.py", "packages/app/where.txt")
    assert b"+/workspace/packages/app\n" in patch
    assert verdict.checks[0].change is Change.FIXED
    assert done.recommended == 1
    assert again.recommended == 1


def test_tests_of_a_folder_are_named_from_the_root_of_the_repository(
    home: Path,
) -> None:
    how = plan(Check(command="python3 -m pytest -q"), monorepo(home), "packages/app")
    ran = TestResult(
        test="test_calc.py::test_add", outcome=TestOutcome.PASSED, file="test_calc.py"
    )
    named = how.from_root(ran)
    assert named.file == "packages/app/test_calc.py"
    assert named.test == "packages/app/test_calc.py::test_add"
    assert how.from_root(named) == named  # pytest.ini in the root: named from there
    again = how.command([named])
    assert again is not None
    assert "test_calc.py::test_add" in again
    assert "packages/app" not in again


async def test_runs_about_different_folders_share_no_decision(home: Path) -> None:
    root = monorepo(home)
    scenario = {"lanes": {"default": [{"calls": [edit("calc.py")]}, {"say": "Done."}]}}
    async with user(home, root, scenario) as me:
        first = await me.asks_and_waits(path="packages/app", checks=[])
        await me.app.select(first.id, 1)
        second = await me.asks_and_waits(checks=[], path="packages")
        third = await me.asks_and_waits(checks=[], path="packages/app")
    assert second.reused_from is None
    assert third.reused_from == first.id


async def test_a_folder_that_the_commit_does_not_have_is_named(home: Path) -> None:
    root = monorepo(home)
    (root / "new").mkdir()
    (root / "packages" / "link").symlink_to("/etc")
    git(root, "add", "-A")
    git(root, "commit", "-qm", "A link")
    async with user(home, root, {"lanes": {"default": [{"say": "Done."}]}}) as me:
        for folder in ("new", "packages/link", "packages/app/calc.py"):
            done = await me.asks_and_waits(path=folder)
            assert done.failure is not None
            assert f"has no folder {folder}" in done.failure.message


@pytest.mark.parametrize("path", ["/etc", "../x", "a/../../b", ".git", "a/.GIT/hooks"])
def test_a_folder_outside_of_the_tree_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="path"):
        RunSpec(repo_url="/r", prompt="Long enough", path=path)


def test_a_folder_of_this_machine_leads_to_its_repository_by_the_rule_of_git(
    home: Path,
) -> None:
    root = monorepo(home)
    assert find_root(root) == (root, "")
    assert find_root(root / "packages" / "app") == (root, "packages/app")
    git(root, "worktree", "add", "-q", str(home / "tree"))
    assert find_root(home / "tree" / "packages") == (home / "tree", "packages")
    git(home, "clone", "-q", "--bare", str(root), "bare.git")
    assert find_root(home / "bare.git") == (home / "bare.git", "")
    assert find_root(root / ".git" / "refs") == (root / ".git", "")
    (root / "packages" / ".git").mkdir()  # git passes by what is no repository
    assert find_root(root / "packages") == (root, "packages")
    elsewhere = make_home()
    assert find_root(elsewhere) == (elsewhere, "")
    elsewhere.rmdir()


def test_inspect_works_in_a_folder(home: Path) -> None:
    root = monorepo(home)
    inside = command("inspect", home=home, cwd=root / "packages" / "app")
    assert inside.returncode == 0, inside.stderr
    assert "python3 -m unittest discover" in inside.stdout
    named = command("inspect", str(root), "--path", "packages/app", home=home)
    assert named.stdout == inside.stdout
