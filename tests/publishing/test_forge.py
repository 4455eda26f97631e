"""Refusals of forges: each says what to do, and nothing in an answer is trusted."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from aideator.domain.errors import ForgeRefused
from aideator.publishing.forge import (
    FORGES,
    ForgeRepository,
    GitHub,
    Proposal,
    forge_of,
    open_pull_request,
)
from aideator.repositories.source import Source, SourcePolicy
from tests.publishing.forges import (
    TOKEN,
    Answer,
    FakeForge,
    FakeGitea,
    FakeGitHub,
    FakeGitLab,
    answer,
)
from tests.repositories.server import GitServer, serve

ASKED = Proposal(head="aideator/fix", base="main", title="Fix it", body="Evidence")
FAKES: dict[str, type[FakeForge]] = {
    "github": FakeGitHub,
    "gitlab": FakeGitLab,
    "gitea": FakeGitea,
}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[GitServer]:
    with serve(tmp_path) as served:
        yield served


async def propose(
    server: GitServer, kind: str, *, token: str = TOKEN, path: str = "team/project.git"
) -> str:
    policy = SourcePolicy(frozenset(), private_hosts=frozenset({server.host}))
    source = Source(server.url(path))
    return await open_pull_request(
        FORGES[kind], source, ASKED, token=token, policy=policy
    )


REFUSALS: dict[str, tuple[Answer, str]] = {
    "no right": (
        answer(403, {"message": "Resource not accessible by personal access token"}),
        "may not open pull requests .*: Resource not accessible",
    ),
    "GitHub's rate limit": (
        answer(403, {"message": "API rate limit exceeded"}, x_ratelimit_remaining="0"),
        "limits how often",
    ),
    "a secondary limit": (
        answer(429, {"message": "slow down"}, retry_after="30"),
        "limits how often",
    ),
    "no branch": (
        answer(
            422,
            {
                "message": "Validation Failed",
                "errors": [{"field": "base", "message": "base is invalid"}],
            },
        ),
        r"Validation Failed; base is invalid \(422\)",
    ),
    "nothing new": (
        answer(422, {"message": "Validation Failed", "errors": ["No commits"]}),
        "No commits",
    ),
    "GitLab's list": (
        answer(400, {"message": {"target_branch": ["can't be blank"]}}),
        "can't be blank",
    ),
    "an outage": ((502, {}, b"<html>Bad gateway"), r"fails \(502\); |fails \(502\)"),
    "a moved repository": (
        answer(301, {"message": "Moved"}, Location="https://evil.example/"),
        r"Moved \(301\)",
    ),
    "no address": (answer(201, {"number": 1}), "without the pull request's address"),
    "an address that is none": (
        answer(201, {"html_url": "javascript:x", "web_url": "javascript:x"}),
        "address",
    ),
    "no JSON": ((201, {}, b"created"), "without the pull request's address"),
    "a list": (answer(201, []), "without the pull request's address"),
    "a bomb": ((201, {}, b"[" * 2_000_000), "without the pull request's address"),
}


@pytest.mark.parametrize("name", REFUSALS)
@pytest.mark.parametrize("kind", FAKES)
async def test_a_refusal_is_told_in_words(
    server: GitServer, kind: str, name: str
) -> None:
    failing, words = REFUSALS[name]
    server.api = FAKES[kind](failing=failing)
    with pytest.raises(ForgeRefused, match=words) as refused:
        await propose(server, kind)
    assert refused.value.hint


@pytest.mark.parametrize("kind", FAKES)
async def test_a_wrong_token_a_missing_one_and_an_unknown_repository(
    server: GitServer, kind: str
) -> None:
    server.api = FAKES[kind]()
    with pytest.raises(ForgeRefused, match="does not accept the token") as refused:
        await propose(server, kind, token="wrong")
    assert "wrong" not in str(refused.value) + refused.value.hint
    with pytest.raises(ForgeRefused, match=f"no token for {server.host}"):
        await propose(server, kind, token="")
    with pytest.raises(ForgeRefused, match="knows no such repository"):
        await propose(server, kind, path="team/other.git")


@pytest.mark.parametrize("kind", FAKES)
async def test_two_who_ask_at_once_get_the_same_pull_request(
    server: GitServer, kind: str
) -> None:
    server.api = forge = FAKES[kind]()
    async with asyncio.TaskGroup() as group:
        asking = [group.create_task(propose(server, kind)) for _ in range(4)]
    assert len({task.result() for task in asking}) == 1
    assert len(forge.opened) == 1


async def test_a_redirect_is_never_followed_and_takes_no_token_elsewhere(
    server: GitServer, tmp_path: Path
) -> None:
    with serve(tmp_path) as other:
        other.api = elsewhere = FakeGitHub()
        server.api = FakeGitHub(
            failing=answer(
                307, {}, Location=other.url("api/v3/repos/team/project/pulls")
            )
        )
        with pytest.raises(ForgeRefused):
            await propose(server, "github")
        assert elsewhere.asked == []


async def test_an_address_that_nobody_vouched_for_is_not_called(
    server: GitServer,
) -> None:
    server.api = forge = FakeGitHub()
    source = Source(server.url("team/project"))
    with pytest.raises(ForgeRefused, match="private address"):
        await open_pull_request(
            FORGES["github"],
            source,
            ASKED,
            token=TOKEN,
            policy=SourcePolicy(frozenset()),
        )
    assert forge.asked == []


def test_which_forge_a_repository_lies_on() -> None:
    def kind(url: str, named: dict[str, str] | None = None) -> object:
        return forge_of(Source(url, local=url.startswith("/")), named or {})

    assert kind("https://github.com/user/repo") is FORGES["github"]
    assert kind("https://gitlab.com/group/sub/repo.git") is FORGES["gitlab"]
    assert kind("https://codeberg.org/user/repo") is FORGES["gitea"]
    assert kind("https://bitbucket.org/user/repo") is None
    assert (
        kind("https://git.example.org:8443/u/r", {"git.example.org:8443": "gitea"})
        is FORGES["gitea"]
    )
    assert (
        kind("https://git.example.org:8443/u/r", {"git.example.org": "gitlab"})
        is FORGES["gitlab"]
    )
    assert kind("/home/me/repo", {"": "github"}) is None


def test_githubs_own_address_is_another_host() -> None:
    address, body = GitHub().create(
        ForgeRepository("https://github.com", "user/repo"), ASKED
    )
    assert address == "https://api.github.com/repos/user/repo/pulls"
    assert body["draft"] is False
