"""The host's git does what our arguments say, and nothing else."""

import asyncio
import os
from pathlib import Path

import pytest

from aideator.domain.errors import RepositoryError
from aideator.repositories.git import GitError, GitTimeout, git
from tests.conftest import PATIENCE
from tests.conftest import git as users_git

NAP = 90_000 + os.getpid()
"""Seconds; they tell our sleepers from others'."""


async def test_only_a_short_list_of_variables_is_passed_on(
    monkeypatch: pytest.MonkeyPatch, repo: Path
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "canary")
    monkeypatch.setenv("GIT_DIR", "/elsewhere")
    monkeypatch.setenv("GIT_EXEC_PATH", "/elsewhere")
    environment = (await git("-c", "alias.env=!env", "env", cwd=repo)).decode()
    assert "canary" not in environment
    assert "/elsewhere" not in environment
    assert "GIT_TERMINAL_PROMPT=0" in environment


async def test_a_repository_s_own_settings_start_nothing(
    repo: Path, home: Path
) -> None:
    hook = home / "hook"
    hook.write_text(f"#!/bin/sh\ntouch {home}/fired\n")
    hook.chmod(0o755)
    users_git(repo, "config", "core.fsmonitor", str(hook))
    await git("status", cwd=repo)
    assert not (home / "fired").exists()
    users_git(repo, "status")
    assert (home / "fired").exists(), "the control"


@pytest.mark.parametrize(
    "url",
    [
        "ext::sh -c id",
        "file:///etc",
        "/etc",
        "git://127.0.0.1/x",
        "http://127.0.0.1:1/x",
    ],
)
async def test_no_protocol_is_spoken_that_the_call_did_not_name(url: str) -> None:
    with pytest.raises(GitError, match="not allowed"):
        await git("ls-remote", "--", url)


async def test_a_failure_says_what_git_said(home: Path) -> None:
    with pytest.raises(
        GitError, match="git status failed: fatal: not a git repository"
    ) as error:
        await git("status", cwd=home)
    assert error.value.exit_code == 128
    assert isinstance(error.value, RepositoryError)


async def test_time_out_and_cancellation_kill_the_whole_process_group(
    repo: Path, home: Path
) -> None:
    alias = ("-c", f"alias.slow=!echo $$ > {home}/pid; sleep {NAP} & wait", "slow")
    with pytest.raises(GitTimeout, match=r"within 0\.5 seconds"):
        await git(*alias, cwd=repo, timeout=0.5)
    (home / "pid").unlink(missing_ok=True)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(git(*alias, cwd=repo))
        while not (home / "pid").exists():  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        running.cancel()
    async with asyncio.timeout(PATIENCE):
        while _sleeping():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


def _sleeping() -> list[Path]:
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "cmdline").read_bytes() == f"sleep\0{NAP}\0".encode():
                found.append(process)
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


async def test_input_is_fed_and_output_is_bounded(
    repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (
        await git("-c", "alias.echo=!cat", "echo", cwd=repo, stdin=b"x" * 2**20)
        == b"x" * 2**20
    )
    assert (
        await git("-c", "alias.deaf=!true", "deaf", cwd=repo, stdin=b"x" * 2**22) == b""
    )
    monkeypatch.setattr("aideator.repositories.git.MAX_OUTPUT", 2**20)
    with pytest.raises(GitError, match="printed more than 1048576 bytes"):
        await git("-c", "alias.flood=!yes", "flood", cwd=repo)
