"""A wrong command ends with exit code 2 or 1, one clear error on stderr, nothing on stdout and no traceback."""

from pathlib import Path

import pytest

from tests.actions import PROMPT, command

RUN = ["run", "{repo}", PROMPT]
MODEL = {"ANTHROPIC_BASE_URL": "http://127.0.0.1:9"}
CASES: dict[str, tuple[list[str], int, str]] = {
    "a prompt of 9 characters": (["run", "{repo}", "123456789"], 2, "prompt: String should have at least 10"),
    "a prompt of 2001 characters": (["run", "{repo}", "x" * 2001], 2, "prompt: at most 2000 characters"),
    "no variation": ([*RUN, "-n", "0"], 2, "variations: "),
    "six variations": ([*RUN, "-n", "6"], 2, "variations: at most 5 (MAX_VARIATIONS); not 6"),
    "an unknown agent": ([*RUN, "--agent", "nobody"], 2, "there is no agent 'nobody'; there are: builtin"),
    "a wrong effort": ([*RUN, "--effort", "heroic"], 2, "agent_config.effort: "),
    "a repository that is not there": (["run", "nowhere", PROMPT], 2, "there is no directory 'nowhere'"),
    "another protocol": (["run", "ftp://example.org/x", PROMPT], 2, "repo_url: "),
    "nothing at all": (["run"], 2, "repo_url: Field required; prompt: Field required"),
    "a file that is not there": (["run", "--spec", "absent.yaml"], 2, "absent.yaml cannot be read"),
    "a file that is not YAML": (["run", "--spec", "bad.yaml"], 2, 'in "bad.yaml", line 2, column 1'),
    "a file of other things": (["run", "--spec", "list.yaml"], 2, "list.yaml is not a mapping"),
    "a file with wrong fields": (["run", "--spec", "wrong.yaml"], 2, "nonsense: Extra inputs are not permitted"),
    "a run in the background without a server": ([*RUN, "--detach"], 2, "--detach needs a server"),
    "an unknown run": (["show", "abcd1234"], 1, "there is no run 'abcd1234'"),
    "no characters of a run's id": (["cancel", ""], 2, "at least four characters"),
    "a wildcard for a run's id": (["cancel", "%"], 2, "at least four characters"),
    "an unknown key": (["key", "revoke", "abcd"], 1, "key"),
    "a server that is not there": (["list", "--server", "http://127.0.0.1:9"], 1, "the server does not answer"),
    "an unknown command": (["rnu"], 2, "No such command"),
}


@pytest.mark.parametrize("case", CASES)
def test_a_wrong_command_says_what_is_wrong(home: Path, repo: Path, case: str) -> None:
    (home / "bad.yaml").write_text("repo_url: [\n")
    (home / "list.yaml").write_text("- one\n- two\n")
    (home / "wrong.yaml").write_text(f"repo_url: {repo}\nprompt: {PROMPT}\nnonsense: 1\n")
    arguments, code, words = CASES[case]
    done = command(*(a.replace("{repo}", str(repo)) for a in arguments), home=home, env=MODEL)
    assert done.returncode == code, done.stderr
    assert words in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_a_wrong_setting_is_named(home: Path) -> None:
    done = command("list", home=home, env={"MAX_VARIATIONS": "many", "DEBUG": "perhaps"})
    assert done.returncode == 2
    assert "MAX_VARIATIONS: " in done.stderr
    assert "DEBUG: " in done.stderr


def test_without_a_key_a_run_is_refused_before_anything_is_fetched(home: Path, repo: Path) -> None:
    done = command(*(a.replace("{repo}", str(repo)) for a in RUN), home=home)
    assert done.returncode == 2
    assert "no ANTHROPIC_API_KEY is set" in done.stderr
    assert "aideator demo" in done.stderr
    assert not (home / "state" / "mirrors").exists()


def test_a_state_directory_that_cannot_be_written_is_named(home: Path) -> None:
    (home / "state").write_text("a file")
    done = command("list", home=home)
    assert done.returncode == 1
    assert "the state directory cannot be used" in done.stderr
    assert "AIDEATOR_HOME" in done.stderr
