"""What a submission may name as its repository."""

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from aideator.domain.errors import InvalidInput
from aideator.repositories.source import SourcePolicy, parse_source

PUBLIC = SourcePolicy(
    frozenset({"github.com", "gitlab.com"}), private_hosts=frozenset({"git.corp:3000"})
)


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("https://github.com/user/repo", "https://github.com/user/repo"),
        ("https://github.com/user/repo.git", "https://github.com/user/repo.git"),
        ("https://github.com/user/repo/", "https://github.com/user/repo"),
        ("https://GitHub.com:443/user/repo", "https://github.com/user/repo"),
        ("https://gitlab.com/group/sub/repo", "https://gitlab.com/group/sub/repo"),
        ("http://git.corp:3000/team/repo", "http://git.corp:3000/team/repo"),
    ],
)
def test_an_allowed_url_is_taken(text: str, url: str) -> None:
    assert parse_source(text, PUBLIC).url == url


def test_spellings_of_one_repository_share_a_key_that_is_a_safe_file_name() -> None:
    keys = {
        parse_source(text, PUBLIC).key
        for text in ("https://github.com/A/b", "https://github.com/A/b.git/")
    }
    assert len(keys) == 1
    assert keys.pop().startswith("github-com-a-b-")


def test_different_repositories_never_share_a_key() -> None:
    one, other = (
        parse_source(f"https://github.com/{name}", PUBLIC).key
        for name in ("a-b/c", "a/b-c")
    )
    assert one != other


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("file:///etc", "file: is not supported"),
        ("ext::sh -c id", "character"),
        ("ext::sh", "ext: is not supported"),
        ("fd::17", "fd: is not supported"),
        ("ftp://github.com/a/b", "ftp: is not supported"),
        ("git://github.com/a/b", "git: is not supported"),
        ("javascript:alert(1)", "javascript: is not supported"),
        ("--upload-pack=id", "begin with '-'"),
        ("-oProxyCommand=id", "begin with '-'"),
        ("ssh://git@github.com/a/b", "only that user may name it"),
        ("git@github.com:user/repo.git", "use https://github.com/user/repo.git"),
        ("git+ssh://github.com/a/b", "not an ssh URL"),
        ("https://token@github.com/a/b", "credentials"),
        ("https://user:token@github.com/a/b", "credentials"),
        ("https://github.com@evil.example/a/b", "credentials"),
        ("https://evil.example/a/b", "ALLOWED_GIT_HOSTS"),
        ("https://github.com.evil.example/a/b", "ALLOWED_GIT_HOSTS"),
        ("https://2130706433/a/b", "ALLOWED_GIT_HOSTS"),
        ("https://127.0.0.1/a/b", "ALLOWED_GIT_HOSTS"),
        ("https://[::1]/a/b", "ALLOWED_GIT_HOSTS"),
        ("https://[::ffff:169.254.169.254]/a/b", "ALLOWED_GIT_HOSTS"),
        ("https://git.corp:3001/a/b", "ALLOWED_GIT_HOSTS"),
        ("http://github.com/a/b", "plain http"),
        ("https://github.com", "no repository"),
        ("https://github.com/", "no repository"),
        ("https://github.com/a/../../b", "no repository"),
        ("https://github.com/a/b?x=1", "no ?"),
        ("https://github.com/a/b#main", "no #"),
        ("https://github.com/a/b\n", "character"),
        ("https://github.com/a b", "character"),
        ("https://github.com\\@evil.example/a", "character"),
        ("https://gіthub.com/a/b", "character"),
        ("https://github.com:0x1bb/a/b", "not a URL"),
        ("https://github.com:99999/a/b", "not a URL"),
        ("https://[::1/a/b", "not a URL"),
        ("https:///a/b", "give an https URL"),
        ("https:github.com/a/b", "give an https URL"),
        ("github.com/user/repo", "neither a URL nor"),
        ("user/repo", "neither a URL nor"),
        ("", "neither a URL nor"),
        ("/etc", "paths are for"),
        ("./repo", "paths are for"),
        ("~/repo", "paths are for"),
        ("..", "paths are for"),
    ],
)
def test_anything_else_is_refused_with_the_reason_and_the_field(
    text: str, reason: str
) -> None:
    with pytest.raises(InvalidInput, match="repo_url") as refused:
        parse_source(text, PUBLIC)
    assert reason in str(refused.value)
    assert [error.field for error in refused.value.fields] == ["repo_url"]


def test_a_star_allows_every_host_but_not_plain_http() -> None:
    everywhere = SourcePolicy(frozenset({"*"}))
    assert (
        parse_source("https://codeberg.org/a/b", everywhere).url
        == "https://codeberg.org/a/b"
    )
    with pytest.raises(InvalidInput, match="plain http"):
        parse_source("http://codeberg.org/a/b", everywhere)


def test_a_path_is_taken_where_the_policy_allows_it(repo: Path) -> None:
    local = SourcePolicy(frozenset(), allow_local=True)
    assert parse_source(f"{repo}/", local).url == str(repo)
    assert parse_source(str(repo), local).local
    with pytest.raises(InvalidInput, match="must be absolute"):
        parse_source("./repo", local)
    with pytest.raises(InvalidInput, match="there is no directory"):
        parse_source(f"{repo}/calc.py", local)
    with pytest.raises(InvalidInput, match="NUL"):
        parse_source("/a\0b", local)


@given(st.text() | st.from_regex(r"https://[^/]{0,30}github\.com[^/]{0,30}/.{0,20}"))
@example("https://github.com\t/a")
def test_no_text_names_a_host_that_is_not_allowed(text: str) -> None:
    try:
        source = parse_source(text, PUBLIC)
    except InvalidInput:
        return
    assert source.url.startswith(
        (
            "https://github.com/",
            "https://gitlab.com/",
            "http://git.corp:3000/",
            "https://git.corp:3000/",
        )
    )
