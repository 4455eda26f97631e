"""The winner is pushed to a real git server and proposed to forges."""

import base64
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from aideator.domain.errors import Conflict, ForgeRefused, RepositoryError
from aideator.domain.events import Published
from aideator.domain.run import Publication, PublishRequest, RunDetails, RunStatus
from aideator.publishing.publish import publish_winner
from aideator.store import runs
from tests.actions import PROMPT, User, bodies, is_dense, user
from tests.conftest import git
from tests.publishing.forges import (
    TOKEN,
    FakeForge,
    FakeGitea,
    FakeGitHub,
    FakeGitLab,
    answer,
)
from tests.repositories.server import GitServer, serve

FORGES: dict[str, type[FakeForge]] = {
    "github": FakeGitHub,
    "gitlab": FakeGitLab,
    "gitea": FakeGitea,
}


@pytest.fixture
def server(home: Path, repo: Path) -> Iterator[GitServer]:
    """A git server with the repository as team/project; it records what is pushed."""
    bare = home / "served" / "team" / "project.git"
    bare.parent.mkdir(parents=True)
    git(home, "clone", "-q", "--bare", str(repo), str(bare))
    hook = bare / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(
        f"#!/bin/sh\ncat >> {home}/received\ncat /proc/[0-9]*/cmdline >> "
        f"{home}/arguments 2>/dev/null; true\n"
    )
    hook.chmod(0o755)
    with serve(home / "served") as served:
        yield served


def received(home: Path) -> list[str]:
    """The refs of every push, in order."""
    log = home / "received"
    return (
        [line.split()[2] for line in log.read_text().splitlines()]
        if log.exists()
        else []
    )


def told(
    server: GitServer, forge: str | None = "github", token: str = TOKEN
) -> dict[str, Any]:
    """The settings of an operator who lets winners be published there."""
    named = {"git_forges": {server.host: forge}} if forge else {}
    return {
        "private_git_hosts": (server.host,),
        "git_tokens": {server.host: token} if token else {},
        **named,
    }


async def decided(me: User, server: GitServer, **options: Any) -> RunDetails:
    done = await me.asks_and_waits(
        repo_url=server.url("team/project.git"), variations=2, **options
    )
    return await me.app.select(done.id, 1, "smallest @all closes #1")


def bare(home: Path) -> Path:
    return home / "served" / "team" / "project.git"


@pytest.mark.parametrize("kind", FORGES)
async def test_the_winner_is_pushed_and_proposed_once(
    home: Path, server: GitServer, kind: str
) -> None:
    server.token, forge = TOKEN, FORGES[kind]()
    server.api = forge
    async with user(home, home, "three_ways", **told(server, kind)) as me:
        run = await decided(me, server)
        first = await publish_winner(me.app, run.id, PublishRequest(draft=True))
        again = await publish_winner(me.app, run.id, PublishRequest())
        events = await me.hears(run.id)
        kept = await me.app.get(run.id)
    assert bodies(events, "published") == [Published(publication=first)]
    assert is_dense(events)
    assert events[-1].body.kind == "complete"
    branch = f"aideator/{run.id[-8:]}-make-the-failing-test-pass-please"
    assert received(home) == [f"refs/heads/{branch}"]
    assert again == first == kept.publication
    assert (first.remote, first.branch) == (server.url("team/project.git"), branch)
    assert first.pull_request
    assert first.pull_request.startswith("https://forge.example/team/project/")
    assert first.commit == git(bare(home), "rev-parse", branch)
    assert git(bare(home), "rev-parse", f"{branch}^") == run.commit
    check_pull_request(forge)
    check_commit(bare(home), branch)


def check_pull_request(forge: FakeForge) -> None:
    (opened,) = forge.opened
    assert opened.get("base", opened.get("target_branch")) == "main"
    assert opened["title"].endswith(PROMPT)
    assert opened.get("draft") is True or opened["title"].startswith(
        ("Draft: ", "WIP: ")
    )
    assert "✅ fixed" in str(opened.get("body", opened.get("description")))


def check_commit(repo: Path, branch: str) -> None:
    message = git(repo, "log", "-1", "--format=%B", branch)
    assert message.splitlines()[0] == PROMPT
    assert "- python3 -m unittest discover: fixed" in message
    trailers = git(repo, "log", "-1", "--format=%(trailers:unfold)", branch)
    assert [line.partition(": ")[0] for line in trailers.splitlines()] == [
        "Co-authored-by",
        "AIdeator-Run",
        "AIdeator-Variation",
    ]


async def test_the_token_is_in_no_argument_list_while_git_pushes(
    home: Path, server: GitServer
) -> None:
    server.token = TOKEN
    async with user(home, home, "three_ways", **told(server)) as me:
        run = await decided(me, server)
        await publish_winner(me.app, run.id, PublishRequest(pull_request=False))
    arguments = (home / "arguments").read_bytes()
    assert b"push\0-q" in arguments, "git was seen at work"
    assert TOKEN.encode() not in arguments
    assert base64.b64encode(f"x-access-token:{TOKEN}".encode()) not in arguments


async def test_a_pull_request_that_is_refused_is_told_and_taken_up_where_it_stopped(
    home: Path, server: GitServer
) -> None:
    forge = FakeGitHub(
        failing=answer(
            403, {"message": "Resource not accessible by personal access token"}
        )
    )
    server.api = forge
    async with user(home, home, "three_ways", **told(server)) as me:
        run = await decided(me, server)
        with pytest.raises(
            ForgeRefused,
            match=(
                r"pushed as aideator/.*but the pull request was refused: .*not "
                r"access"
            ),
        ):
            await publish_winner(me.app, run.id, PublishRequest())
        kept = (await me.app.get(run.id)).publication
        assert kept
        assert kept.pull_request is None
        forge.failing = None
        made = await publish_winner(me.app, run.id, PublishRequest())
    assert made == kept.model_copy(
        update={"pull_request": "https://forge.example/team/project/pull/1"}
    )
    assert len(received(home)) == 1


async def test_a_pull_request_that_exists_already_is_the_answer(
    home: Path, server: GitServer
) -> None:
    """As after a crash between the forge's answer and our writing it down."""
    server.api = forge = FakeGitHub()
    async with user(home, home, "three_ways", **told(server)) as me:
        run = await decided(me, server)
        made = await publish_winner(me.app, run.id, PublishRequest(branch="fix"))
        forgotten = made.model_copy(update={"pull_request": None})
        async with me.app.database.write() as session:
            await runs.publish(session, run.id, 1, forgotten)
        again = await publish_winner(me.app, run.id, PublishRequest(branch="fix"))
    assert again == made
    assert len(forge.opened) == 1


async def test_a_decision_can_be_undone_until_it_is_published(
    home: Path, server: GitServer
) -> None:
    server.api = FakeGitHub()
    async with user(home, home, "three_ways", **told(server)) as me:
        run = await decided(me, server)
        undone = await me.app.deselect(run.id)
        assert (undone.status, undone.winner, undone.winner_reason) == (
            RunStatus.FINISHED,
            None,
            "",
        )
        assert await me.app.deselect(run.id) == undone
        with pytest.raises(Conflict, match="has no winner"):
            await publish_winner(me.app, run.id, PublishRequest())
        await me.app.select(run.id, 2)
        await publish_winner(me.app, run.id, PublishRequest())
        with pytest.raises(Conflict, match="was published as aideator/"):
            await me.app.deselect(run.id)
        events = await me.hears(run.id)
    assert [e.body.kind for e in events][-8:] == [
        *(
            "selected",
            "complete",
            "deselected",
            "complete",
            "selected",
            "complete",
            "published",
            "complete",
        ),
    ]


async def test_after_a_follow_up_the_branch_is_moved_and_the_pull_request_stays(
    home: Path, server: GitServer
) -> None:
    server.api = forge = FakeGitHub()
    async with user(home, home, "follow_up", **told(server)) as me:
        run = await decided(me, server)
        first = await publish_winner(me.app, run.id, PublishRequest())
        await me.app.prompt(run.id, 1, "Now subtract as well, please")
        await me.waits(run.id)
        await me.app.select(run.id, 1)
        second = await publish_winner(me.app, run.id, PublishRequest())
    assert (second.branch, second.pull_request) == (first.branch, first.pull_request)
    assert second.commit != first.commit
    assert git(bare(home), "rev-parse", first.branch) == second.commit
    assert received(home) == [f"refs/heads/{first.branch}"] * 2
    assert len(forge.opened) == 1


async def test_a_branch_of_somebody_else_is_left_alone(
    home: Path, repo: Path, server: GitServer
) -> None:
    git(bare(home), "branch", "aideator/fix", "main")
    before = git(bare(home), "for-each-ref")
    async with user(home, home, "three_ways", **told(server)) as me:
        run = await decided(me, server)
        with pytest.raises(
            Conflict, match="has a branch aideator/fix with other commits"
        ):
            await publish_winner(
                me.app, run.id, PublishRequest(branch="fix", pull_request=False)
            )
    assert git(bare(home), "for-each-ref") == before


async def test_a_server_that_lets_nobody_push_is_a_clear_error_and_nothing_is_kept(
    home: Path, server: GitServer
) -> None:
    server.read_only = True
    async with user(home, home, "three_ways", **told(server)) as me:
        run = await decided(me, server)
        with pytest.raises(RepositoryError, match="does not allow the push"):
            await publish_winner(me.app, run.id, PublishRequest())
        hook = bare(home) / "hooks" / "pre-receive"
        server.read_only = False
        hook.write_text("#!/bin/sh\necho 'no pushes on \x1b[31mFridays' >&2; exit 1\n")
        with pytest.raises(
            RepositoryError, match=r"refused the branch: .*no pushes on .*Fridays"
        ) as refused:
            await publish_winner(me.app, run.id, PublishRequest())
        assert (await me.app.get(run.id)).publication is None
    assert "\x1b" not in str(refused.value)


async def test_workflow_files_are_pushed_with_consent_only(
    home: Path, server: GitServer
) -> None:
    write = {
        "write": {"file_path": ".github/workflows/ci.yml", "content": "on: push\n"}
    }
    scenario = {"lanes": {"default": [{"calls": [write]}, {"say": "Done."}]}}
    async with user(home, home, scenario, **told(server)) as me:
        run = await decided(me, server)
        with pytest.raises(
            Conflict, match=r"runs by itself.*\.github/workflows/ci\.yml"
        ):
            await publish_winner(me.app, run.id, PublishRequest(pull_request=False))
        assert received(home) == []
        await publish_winner(
            me.app, run.id, PublishRequest(pull_request=False, workflows=True)
        )
    assert len(received(home)) == 1


async def test_a_forge_that_nobody_has_named_gets_the_branch_and_no_pull_request(
    home: Path, server: GitServer
) -> None:
    async with user(home, home, "three_ways", **told(server, None)) as me:
        run = await decided(me, server)
        made = await publish_winner(me.app, run.id, PublishRequest())
    assert made.pull_request is None
    assert "GIT_FORGES" in made.note


async def test_a_repository_on_this_machine_gets_a_branch_and_keeps_its_work_tree(
    home: Path, repo: Path
) -> None:
    (repo / "calc.py").write_text("mine, unfinished\n")
    hook = repo / ".git" / "hooks" / "post-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\ntouch {home}/hook-ran\n")
    hook.chmod(0o755)
    before = git(repo, "status", "--porcelain", "-b")
    async with user(home, repo, "three_ways") as me:
        run = await me.asks_and_waits()
        await me.app.select(run.id, 1)
        made: Publication = await publish_winner(me.app, run.id, PublishRequest())
        assert await publish_winner(me.app, run.id, PublishRequest()) == made
    assert git(repo, "rev-parse", made.branch) == made.commit
    assert "a + b" in git(repo, "show", f"{made.branch}:calc.py")
    assert (repo / "calc.py").read_text() == "mine, unfinished\n"
    assert git(repo, "status", "--porcelain", "-b") == before
    assert not (home / "hook-ran").exists()


def test_the_servers_log_would_show_a_second_ref(
    home: Path, repo: Path, server: GitServer
) -> None:
    """That `received` can fail: a push of a branch and a tag shows both."""
    git(repo, "tag", "v1")
    subprocess.run(
        [
            "git",
            "push",
            "-q",
            server.url("team/project.git"),
            "main:refs/heads/other",
            "v1",
        ],
        cwd=repo,
        check=True,
    )
    assert sorted(received(home)) == ["refs/heads/other", "refs/tags/v1"]
