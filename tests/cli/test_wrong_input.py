"""A wrong command ends with exit code 2 or 1 and one clear error on stderr alone."""

from pathlib import Path

import pytest

from aideator.cli.parsing import read_spec
from aideator.domain.errors import InvalidInput
from tests.actions import PROMPT, command

RUN = ["run", "{repo}", PROMPT]
MODEL = {"ANTHROPIC_BASE_URL": "http://127.0.0.1:9"}
CASES: dict[str, tuple[list[str], int, str]] = {
    "a prompt of 2001 characters": (
        ["run", "{repo}", "x" * 2001],
        2,
        "prompt: at most 2000 characters",
    ),
    "six variations": (
        [*RUN, "-n", "6"],
        2,
        "variations: at most 5 (MAX_VARIATIONS); not 6",
    ),
    "no prompt worth the name": (["run", "{repo}", "x"], 2, "the prompt: at least 3"),
    "a budget of nothing": ([*RUN, "--budget", "0"], 2, "--budget: more than 0; not 0"),
    "an effort that there is not": (
        [*RUN, "--effort", "heroic"],
        2,
        "--effort: one of 'low', 'medium', 'high', 'xhigh' or 'max'; not 'heroic'",
    ),
    "an unknown agent": (
        [*RUN, "--agent", "nobody"],
        2,
        "there is no agent 'nobody'; there are: builtin",
    ),
    "a host where set-up is closed": (
        [*RUN, "--allow-host", "files.example.org"],
        2,
        "--allow-host: this server's SETUP_ALLOWED_HOSTS is closed to further hosts",
    ),
    "a judge that takes turns": (
        ["run", "--spec", "judge.yaml"],
        2,
        "comparison.judge.max_turns: a judge answers",
    ),
    "a repository that is not there": (
        ["run", "nowhere", PROMPT],
        2,
        "there is no directory 'nowhere'",
    ),
    "a ref that is not there": (
        [*RUN, "--ref", "nosuch"],
        2,
        "has no branch or tag 'nosuch'",
    ),
    "a file that is not YAML": (
        ["run", "--spec", "bad.yaml"],
        2,
        'in "bad.yaml", line 2, column 1',
    ),
    "an unknown run": (["show", "abcd1234"], 1, "there is no run 'abcd1234'"),
    "no characters of a run's id": (["cancel", ""], 2, "at least four characters"),
    "an unknown key": (["key", "revoke", "abcd"], 1, "key"),
    "a server that is not there": (
        ["list", "--server", "http://127.0.0.1:9"],
        1,
        "the server does not answer",
    ),
    "an unknown command": (["rnu"], 2, "No such command 'rnu'. Did you mean 'run'?"),
    "a number that is none": ([*RUN, "-n", "x"], 2, "--variations: a whole number"),
    "an argument that is no number": (
        ["diff", "abcd1234", "x"],
        2,
        "VARIATION: a whole number; not 'x'",
    ),
    "a limit of nothing": (["list", "--limit", "0"], 2, "--limit: at least 1"),
    "an option that there is not": ([*RUN, "--nope"], 2, "No such option: --nope"),
    "an argument that is missing": (["show"], 2, "Missing argument 'RUN'"),
    "a port that there is not": (["serve", "--port", "99999"], 2, "--port: at most"),
    "nothing to do": (["run"], 2, "the repository is missing; the prompt is missing"),
    "help for what is not there": (["help", "nope"], 2, "No such command 'nope'"),
}


@pytest.mark.parametrize("case", CASES)
def test_a_wrong_command_says_what_is_wrong(home: Path, repo: Path, case: str) -> None:
    (home / "bad.yaml").write_text("repo_url: [\n")
    (home / "judge.yaml").write_text(
        f"repo_url: {repo}\nprompt: {PROMPT}\n"
        "examination: {judge: {max_turns: 3}}\n"
    )
    arguments, code, words = CASES[case]
    done = command(
        *(a.replace("{repo}", str(repo)) for a in arguments), home=home, env=MODEL
    )
    assert done.returncode == code, done.stderr
    assert words in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
    assert "Input should" not in done.stderr
    assert done.stderr.startswith("error: ")
    assert len(done.stderr.splitlines()) <= 3
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"prompt": "12"}, "prompt: at least 3 characters; not '12'"),
        ({"variations": 0}, "variations: at least 1; not 0"),
        (
            {"agent_config": {"effort": "heroic"}},
            "agent_config.effort: one of 'low'",
        ),
        (
            {"repo_url": None, "prompt": None},
            "repo_url: it is missing; prompt: it is missing",
        ),
    ],
)
def test_every_wrong_option_is_named(wrong: dict[str, object], words: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        read_spec({"repo_url": "/repo", "prompt": PROMPT} | wrong, None)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"- one\n- two\n", "is not a mapping"),
        (b"", "is not a mapping"),
        (b"prompt: \xff\n", "cannot be read"),
        (
            b"repo_url: /r\nprompt: Make it pass\nnonsense: 1\n",
            "nonsense: there is no such field",
        ),
        (None, "cannot be read"),
    ],
)
def test_a_wrong_file_is_named(tmp_path: Path, text: bytes | None, words: str) -> None:
    file = tmp_path / "run.yaml"
    if text is not None:
        file.write_bytes(text)
    with pytest.raises(InvalidInput) as caught:
        read_spec({}, file)
    assert words in str(caught.value)


def test_a_prompt_alone_means_the_repository_that_one_is_in(
    home: Path, repo: Path
) -> None:
    (repo / "deep").mkdir()
    inside = command("run", "Fix the date test", home=home, cwd=repo / "deep")
    assert f"(in this folder, {repo / 'deep'}" in inside.stderr
    assert "is missing" not in inside.stderr
    outside = command("run", "Fix the date test", home=home)
    assert "the prompt is missing" in outside.stderr
    assert 'next: aideator run . "Fix' in outside.stderr


def test_a_wrong_setting_is_named(home: Path) -> None:
    done = command(
        "list", home=home, env={"MAX_VARIATIONS": "many", "DEBUG": "perhaps"}
    )
    assert done.returncode == 2
    assert "MAX_VARIATIONS: " in done.stderr
    assert "DEBUG: " in done.stderr


def test_without_a_key_a_run_is_refused_before_anything_is_fetched(
    home: Path, repo: Path
) -> None:
    done = command(*(a.replace("{repo}", str(repo)) for a in RUN), home=home)
    assert done.returncode == 1
    assert "no ANTHROPIC_API_KEY is set and no key is stored" in done.stderr
    assert "aideator demo" in done.stderr
    assert not list((home / "state" / "mirrors").iterdir())


def test_a_state_directory_that_cannot_be_written_is_named(home: Path) -> None:
    (home / "state").write_text("a file")
    done = command("list", home=home)
    assert done.returncode == 1
    assert "the state directory cannot be used" in done.stderr
    assert "AIDEATOR_HOME" in done.stderr
