"""Set-up, checks, protected paths: submission, else `.aideator.toml`, else a guess."""

import os
from pathlib import Path
from typing import Any

import pytest

from aideator.domain.check import Check, Command
from aideator.domain.errors import RepositoryError
from aideator.domain.project import Origin
from aideator.domain.run import RunSpec
from aideator.repositories.checkout import Checkout, Commit
from aideator.repositories.source import Source
from aideator.setup.project import find_project

STATED = """
setup = ["npm ci", {command = "npm run build", timeout = 900}]
protected = ["tests/contract/**"]

[[checks]]
command = "npm test"
name = "tests"

[[checks]]
command = "npx tsc"
kind = "types"
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    (tmp_path / "requirements.txt").write_text("pytest")
    (tmp_path / "conftest.py").touch()
    return Checkout(
        tmp_path, Commit(Source("/x", local=True), "ab" * 20), notes=("a note",)
    )


def asking(**more: Any) -> RunSpec:
    return RunSpec(repo_url="/x", prompt="Do something useful", **more)


def test_without_a_word_everything_is_guessed(checkout: Checkout) -> None:
    found = find_project(checkout, can_install=True)
    assert [command.command for command in found.setup][1:] == [
        "python -m pip install -r requirements.txt"
    ]
    assert [check.command for check in found.checks] == ["python3 -m pytest -q"]
    assert found.protected == ()
    assert set(found.sources.values()) == {Origin.GUESS}
    assert found.notes == ("a note",)
    assert (
        find_project(checkout, can_install=False)
        .notes[1]
        .startswith("nothing is installed")
    )


def test_the_repositorys_file_comes_before_a_guess(checkout: Checkout) -> None:
    (checkout.path / ".aideator.toml").write_text(STATED)
    found = find_project(checkout, can_install=False)
    assert found.setup == (
        Command(command="npm ci"),
        Command(command="npm run build", timeout=900),
    )
    assert found.checks == (
        Check(command="npm test", name="tests"),
        Check(command="npx tsc", kind="types"),
    )
    assert found.protected == ("tests/contract/**",)
    assert set(found.sources.values()) == {Origin.FILE}
    assert found.notes == ("a note",)


def test_the_submission_comes_before_the_file_for_each_by_itself(
    checkout: Checkout,
) -> None:
    (checkout.path / ".aideator.toml").write_text(STATED)
    spec = asking(setup=[], checks=[{"command": "true"}])
    found = find_project(checkout, spec, can_install=True)
    assert (found.setup, found.checks) == ((), (Check(command="true"),))
    assert found.protected == ("tests/contract/**",)
    assert found.sources == {
        "setup": Origin.REQUEST,
        "checks": Origin.REQUEST,
        "protected": Origin.FILE,
    }


def test_an_empty_list_in_the_file_means_none(checkout: Checkout) -> None:
    (checkout.path / ".aideator.toml").write_text("setup = []\nchecks = []")
    found = find_project(checkout, can_install=True)
    assert (found.setup, found.checks) == ((), ())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("setup = [", r"\.aideator\.toml is not TOML: .*\(at (line 1|end of document)"),
        ("setup = []\nchecks = = []\n", r"not TOML: .*\(at line 2, column"),
        ("\xff", "not TOML: .*utf-8"),
        ("a = " + "[" * 50_000, "not TOML"),
        ("set_up = []", "set_up: there is no such field"),
        ("setup = 'npm ci'", "setup: "),
        ("setup = [3]", r"setup\[1\]: "),
        (
            'setup = [""]',
            r"setup\[1\]\.command: at least 1 character",
        ),
        (
            '[[checks]]\ncommand = "x"\n[[checks]]\ncommand = "y"\nkind = "smell"',
            r"checks\[2\]\.kind: one of 'test'",
        ),
        ('checks = [{command = "x", timeout = "1 h"}]', r"checks\[1\]\.timeout: "),
        ('checks = [{command = "x", timeout = 99999}]', r"checks\[1\]\.timeout: "),
        ("protected = [1]", r"protected\[1\]: "),
    ],
)
def test_a_file_that_cannot_be_understood_is_refused_by_name(
    checkout: Checkout, text: str, message: str
) -> None:
    (checkout.path / ".aideator.toml").write_bytes(text.encode("latin-1"))
    with pytest.raises(RepositoryError, match=message) as refused:
        find_project(checkout, can_install=True)
    assert "correct the file" in refused.value.hint
    # Whoever says everything does not need the file.
    assert (
        find_project(
            checkout,
            asking(setup=[], checks=[], protected=[]),
            can_install=True,
        ).checks
        == ()
    )


@pytest.mark.parametrize("what", ["link", "dangling", "pipe", "folder", "long"])
def test_a_file_that_is_no_plain_file_is_refused(checkout: Checkout, what: str) -> None:
    path = checkout.path / ".aideator.toml"
    match what:
        case "link":
            path.symlink_to("requirements.txt")
        case "dangling":
            path.symlink_to("nowhere")
        case "pipe":
            os.mkfifo(path)
        case "folder":
            path.mkdir()
        case _:
            path.write_bytes(b"#" * (2**20 + 1))
    with pytest.raises(RepositoryError, match=r"\.aideator\.toml cannot be read: "):
        find_project(checkout, can_install=True)
