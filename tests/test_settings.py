"""Settings: defaults that work, and one line for each wrong variable."""

from pathlib import Path

import pytest

from aideator.app.wiring import network_policy
from aideator.domain.errors import InvalidInput
from aideator.environment import SettingsError
from aideator.settings import (
    Settings,
    check_prompt_and_lineup,
    load_settings,
)


@pytest.fixture(autouse=True)
def empty_directory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL"):
        monkeypatch.delenv(name, raising=False)


def test_without_any_variable_it_starts() -> None:
    settings = load_settings()
    assert settings.max_variations == 5
    assert settings.agent_memory_limit == 512 * 2**20
    assert settings.database.startswith("sqlite+aiosqlite:///")


def test_a_dotenv_file_is_read_and_the_environment_wins(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Path(".env").write_text("MAX_VARIATIONS=7\nMAX_PROMPT_LENGTH=300\n")
    monkeypatch.setenv("MAX_VARIATIONS", "9")
    settings = load_settings()
    assert (settings.max_variations, settings.max_prompt_length) == (9, 300)


def test_each_wrong_value_has_a_line_that_names_its_variable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MAX_VARIATIONS", "200")
    monkeypatch.setenv("AGENT_MEMORY_LIMIT", "much")
    monkeypatch.setenv("DATABASE_URL", "postgresql://host/db")
    with pytest.raises(SettingsError) as caught:
        load_settings()
    lines = str(caught.value).splitlines()
    assert sorted(line.partition(":")[0] for line in lines) == [
        "AGENT_MEMORY_LIMIT",
        "DATABASE_URL",
        "MAX_VARIATIONS",
    ]


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        (
            "SETUP_ENV",
            '{"PIP_INDEX_URL": "https://me:s3cret@mirror.example/simple"}',
            "PIP_INDEX_URL holds a password",
        ),
        (
            "SETUP_CREDENTIALS",
            '{"mirror.example": "me:s3cret"}',
            "mirror.example: give the host alone",
        ),
        (
            "SETUP_CREDENTIALS",
            '{"https://mirror.example/simple": "me:s3cret"}',
            "give the host alone",
        ),
        (
            "SETUP_CREDENTIALS",
            '{"https://mirror.example": "s3cret"}',
            "give user:password, or a scheme and a token",
        ),
        (
            "SETUP_CREDENTIALS",
            '{"https://mirror.example": "me:s3cret\\r\\nX: y"}',
            "give user:password",
        ),
    ],
)
def test_a_mirrors_password_has_one_place_and_is_not_repeated(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, words: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=f"^{name}: ") as caught:
        load_settings()
    assert words in str(caught.value)
    assert "s3cret" not in str(caught.value)


def test_mirrors_take_a_password_or_a_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(
        "SETUP_ENV",
        '{"A": "http://mirror.example:8081/@scope:x", "B": "https://me@mirror.example/"}',
    )
    monkeypatch.setenv(
        "SETUP_CREDENTIALS",
        '{"https://a.example:8443": "me:pass word", "http://b": "Bearer a:b"}',
    )
    settings = load_settings()
    assert dict(network_policy(settings).credentials) == {
        "https://a.example:8443": "Basic bWU6cGFzcyB3b3Jk",
        "http://b": "Bearer a:b",
    }
    assert {"me:pass word", "Bearer a:b"} <= set(settings.secrets)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("512m", 512 * 2**20),
        ("2g", 2**31),
        ("1.5G", 3 * 2**29),
        ("67108864", 2**26),
        ("512MiB", 2**29),
    ],
)
def test_sizes_are_read_as_docker_writes_them(
    monkeypatch: pytest.MonkeyPatch, text: str, size: int
) -> None:
    monkeypatch.setenv("AGENT_MEMORY_LIMIT", text)
    assert load_settings().agent_memory_limit == size


@pytest.mark.parametrize("text", ["http://a,http://b", '["http://a", "http://b"]'])
def test_lists_are_read_with_commas_or_as_json(
    monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv("ALLOWED_ORIGINS", text)
    assert load_settings().allowed_origins == ("http://a", "http://b")


def test_a_repositorys_dotenv_cannot_send_the_users_key_elsewhere(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "the-users-own")
    Path(".env").write_text("ANTHROPIC_BASE_URL=https://evil.example\n")
    with pytest.raises(SettingsError, match="another address for the key"):
        load_settings()
    Path(".env").write_text(
        "ANTHROPIC_BASE_URL=https://mine.example\nANTHROPIC_API_KEY=mine\n"
    )
    monkeypatch.delenv("ANTHROPIC_API_KEY")
    assert load_settings().anthropic_base_url == "https://mine.example"


@pytest.mark.parametrize("name", ["DAGGER_CLI", "_EXPERIMENTAL_DAGGER_RUNNER_HOST"])
def test_a_repositorys_dotenv_names_no_program_and_no_engine(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path(".env").write_text(f"{name}=theirs\n")
    with pytest.raises(SettingsError, match=r"not taken from a \.env"):
        load_settings()
    monkeypatch.setenv(name, "mine")
    assert "mine" in (load_settings().dagger_cli, load_settings().dagger_runner_host)


def test_the_key_does_not_show_when_settings_are_printed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "canary-key")
    assert "canary-key" not in repr(load_settings())


def test_the_operators_bounds_hold_for_prompt_and_variations() -> None:
    settings = Settings(max_variations=2, max_prompt_length=20)
    check_prompt_and_lineup(settings, "x" * 20, 2)
    with pytest.raises(InvalidInput) as caught:
        check_prompt_and_lineup(settings, "x" * 21, 3)
    assert [error.field for error in caught.value.fields] == ["prompt", "variations"]
