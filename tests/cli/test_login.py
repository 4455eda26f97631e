"""`aideator login`: a key is pasted once, tried, and used by what comes later."""

from pathlib import Path

import pytest

from aideator.gateway.trial import address_of
from aideator.store.model_key import find
from aideator.testing import scripted_model
from tests.actions import command
from tests.cli.processes import Done, aideator
from tests.gateway.provider import open_provider
from tests.gateway.test_trial import answering

KEY = "sk-a-key-of-a-test"
NO_KEYRING = {"PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring"}


async def ask(*arguments: str, home: Path, url: str, text: str = "") -> Done:
    env = {"ANTHROPIC_BASE_URL": url} | NO_KEYRING
    return await aideator(*arguments, home=home, env=env, input=text)


async def test_a_piped_key_is_tried_stored_used_and_removed(home: Path) -> None:
    async with open_provider(answering("200 OK")) as provider:
        stored = await ask(
            "login", "--stdin", home=home, url=provider.url, text=f"{KEY}\n"
        )
        assert stored.returncode == 0, stored.stderr
        assert "is in the file" in stored.stdout
        status = await ask("login", "--status", home=home, url=provider.url)
        assert status.returncode == 0
        assert "model-key.json" in status.stdout
        examined = await ask("doctor", home=home, url=provider.url)
        assert "model-key.json" in examined.stdout
        assert "costs nothing" in " ".join(examined.stdout.split())
        out = await ask("logout", home=home, url=provider.url)
        again = await ask("logout", home=home, url=provider.url)
    assert "was removed" in out.stdout
    assert again.stdout == "No key is stored.\n"
    shown = [request.header("x-api-key") for request in provider.requests]
    assert shown == [KEY, KEY, KEY]
    for done in (stored, status, examined, out):
        assert KEY not in done.stdout + done.stderr


async def test_a_key_that_the_server_refuses_is_not_stored(home: Path) -> None:
    async with open_provider(answering("401 Unauthorized")) as provider:
        refused = await ask("login", "--stdin", home=home, url=provider.url, text=KEY)
        assert refused.returncode == 1
        assert "refuses the API key" in refused.stderr
        assert address_of(provider.url) in refused.stderr
        status = await ask("login", "--status", home=home, url=provider.url)
    assert "key: none" in " ".join(status.stdout.split())
    assert status.returncode == 1


async def test_a_server_that_is_away_does_not_keep_a_key_from_being_stored(
    home: Path,
) -> None:
    url = "http://127.0.0.1:9"
    stored = await ask("login", "--stdin", home=home, url=url, text=KEY)
    assert stored.returncode == 0
    assert "not tried" in stored.stdout
    assert "127.0.0.1:9" in stored.stdout


@pytest.mark.parametrize("text", ["", "\n", "two words\n", "schlüssel\n"])
async def test_what_is_no_key_is_refused(home: Path, text: str) -> None:
    done = await ask("login", "--stdin", home=home, url="http://127.0.0.1:9", text=text)
    assert done.returncode == 2
    assert "no API key" in done.stderr
    assert find(home / "state") is None


def test_without_a_terminal_it_says_how_to_pipe_a_key(home: Path) -> None:
    done = command("login", home=home, input="")
    assert done.returncode == 2
    assert "--stdin" in done.stderr


@pytest.mark.slow
async def test_a_stored_key_reaches_the_model_and_no_sandbox(
    home: Path, repo: Path
) -> None:
    async with scripted_model("three_ways") as model:
        await ask("login", "--stdin", home=home, url=model.url, text=KEY)
        ran = await ask("run", str(repo), "Fix it", "-n", "1", home=home, url=model.url)
        assert ran.returncode == 0, ran.stdout + ran.stderr
        keys = {request.headers.get("x-api-key") for request in model.requests}
    assert keys == {KEY}
    for path in (home / "state").rglob("*"):
        if path.is_file() and path.name != "model-key.json":
            assert KEY.encode() not in path.read_bytes(), path


async def test_a_refused_key_ends_a_run_before_set_up(home: Path, repo: Path) -> None:
    async with open_provider(answering("401 Unauthorized")) as provider:
        ran = await aideator(
            *("run", str(repo), "Fix it", "--setup", "touch /tmp/ran"),
            home=home,
            env={"ANTHROPIC_BASE_URL": provider.url, "ANTHROPIC_API_KEY": KEY},
        )
    assert ran.returncode == 1
    text = " ".join(ran.stdout.split())
    assert f"{address_of(provider.url)}, refuses the API key" in text
    assert "aideator login" in text
    assert len(provider.requests) == 1
    assert "set-up `touch" not in text
    assert text.count("refuses the API key") == 1, ran.stdout
