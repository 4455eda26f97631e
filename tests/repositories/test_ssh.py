"""Repositories over ssh, from a real sshd on loopback."""

import getpass
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from aideator.domain.errors import InvalidInput, RepositoryError
from aideator.repositories.cache import RepositoryCache
from aideator.repositories.remote import resolve_remote
from aideator.repositories.source import SourcePolicy, parse_source
from aideator.repositories.user_git import UserGit
from tests.conftest import PATIENCE, comes_true, git

SSHD = shutil.which("sshd", path="/usr/sbin:/usr/local/sbin:" + os.environ["PATH"])
needs_sshd = pytest.mark.skipif(SSHD is None, reason="sshd is not installed")
LOOPBACK = SourcePolicy(frozenset({"127.0.0.1"}), allow_ssh=True)


@dataclass
class Sshd:
    """A server that lets one key in."""

    folder: Path
    port: int

    def url(self, path: Path) -> str:
        return f"ssh://{getpass.getuser()}@127.0.0.1:{self.port}{path}"

    @property
    def command(self) -> str:
        known = self.folder / "known_hosts"
        return f"ssh -F none -i {self.folder}/key -o UserKnownHostsFile={known}"

    def trust(self) -> None:
        public = (self.folder / "host.pub").read_text()
        known = f"[127.0.0.1]:{self.port} {public}"
        (self.folder / "known_hosts").write_text(known)


def make_key(path: Path) -> None:
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)]
    subprocess.run(command, check=True)


@pytest.fixture
def sshd(home: Path) -> Iterator[Sshd]:
    assert SSHD is not None
    folder = home / "ssh"
    folder.mkdir(mode=0o700)
    make_key(folder / "host")
    make_key(folder / "key")
    shutil.copy(folder / "key.pub", folder / "authorized")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    (folder / "config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {folder}/host\n"
        f"AuthorizedKeysFile {folder}/authorized\nStrictModes no\nUsePAM no\n"
        "PasswordAuthentication no\nKbdInteractiveAuthentication no\n"
        f"PidFile {folder}/pid\n"
    )
    Path("/run/sshd").mkdir(exist_ok=True)
    process = subprocess.Popen([SSHD, "-D", "-e", "-f", str(folder / "config")])
    running = Sshd(folder, port)
    try:
        _wait_until_it_listens(port)
        yield running
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(PATIENCE)


@pytest.fixture
def agent(home: Path) -> Iterator[Path]:
    """The socket of an ssh-agent without keys."""
    address = home / "agent"
    process = subprocess.Popen(["ssh-agent", "-D", "-a", str(address)])
    try:
        yield address
    finally:
        process.terminate()
        process.wait(PATIENCE)


def hand_over(key: Path) -> None:
    """Give a key to the agent, and keep none."""
    subprocess.run(["ssh-add", "-q", str(key)], check=True)
    key.unlink()


def _wait_until_it_listens(port: int) -> None:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)


@needs_sshd
async def test_a_repository_is_cloned_over_ssh_with_the_users_own_command(
    home: Path, repo: Path, sshd: Sshd, monkeypatch: pytest.MonkeyPatch
) -> None:
    sshd.trust()
    monkeypatch.setenv("GIT_SSH_COMMAND", sshd.command)
    cache = RepositoryCache(home, policy=LOOPBACK)
    commit = await cache.resolve(sshd.url(repo))
    assert commit.sha == git(repo, "rev-parse", "HEAD")
    assert ((await cache.checkout(commit)).path / "calc.py").exists()


@needs_sshd
async def test_the_setting_of_the_users_git_names_the_command_as_well(
    home: Path, repo: Path, sshd: Sshd, monkeypatch: pytest.MonkeyPatch
) -> None:
    sshd.trust()
    config = home / "gitconfig"
    git(home, "config", "-f", str(config), "core.sshCommand", sshd.command)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    monkeypatch.delenv("GIT_SSH_COMMAND", raising=False)
    cache = RepositoryCache(home, policy=LOOPBACK)
    found = await cache.resolve(sshd.url(repo), "main")
    assert found.sha == git(repo, "rev-parse", "main")


@needs_sshd
async def test_a_key_that_only_the_users_agent_holds_opens_the_repository(
    home: Path, repo: Path, sshd: Sshd, agent: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sshd.trust()
    identity = f"-i {sshd.folder}/key "
    monkeypatch.setenv("GIT_SSH_COMMAND", sshd.command.replace(identity, ""))
    monkeypatch.setenv("SSH_AUTH_SOCK", str(agent))
    await comes_true(agent.exists)
    cache = RepositoryCache(home, policy=LOOPBACK)
    with pytest.raises(RepositoryError) as caught:
        await cache.resolve(sshd.url(repo))
    assert "load the key with ssh-add" in caught.value.hint
    hand_over(sshd.folder / "key")
    found = await cache.resolve(sshd.url(repo), "main")
    assert found.sha == git(repo, "rev-parse", "main")


@needs_sshd
async def test_a_server_that_is_not_known_is_refused_with_the_way_out(
    home: Path, repo: Path, sshd: Sshd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_SSH_COMMAND", sshd.command)
    cache = RepositoryCache(home, policy=LOOPBACK)
    with pytest.raises(RepositoryError, match="does not know its host key") as caught:
        await cache.resolve(sshd.url(repo))
    assert "ssh-keyscan 127.0.0.1" in caught.value.hint
    assert not (sshd.folder / "known_hosts").exists()
    make_key(sshd.folder / "other")
    other = (sshd.folder / "other.pub").read_text()
    known = f"[127.0.0.1]:{sshd.port} {other}"
    (sshd.folder / "known_hosts").write_text(known)
    with pytest.raises(RepositoryError, match="not the one that is known"):
        await cache.resolve(sshd.url(repo))


@needs_sshd
async def test_a_key_that_is_not_accepted_is_told_and_nothing_is_asked(
    home: Path, repo: Path, sshd: Sshd, monkeypatch: pytest.MonkeyPatch
) -> None:
    sshd.trust()
    (sshd.folder / "authorized").write_text("")
    monkeypatch.setenv("GIT_SSH_COMMAND", sshd.command)
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    with pytest.raises(RepositoryError, match="accepts no ssh key") as caught:
        await RepositoryCache(home, policy=LOOPBACK).resolve(sshd.url(repo))
    assert "ssh-add" in caught.value.hint
    assert "Permission denied" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "over_https"),
    [
        ("git@github.com:o/r.git", "https://github.com/o/r.git"),
        ("github.com:o/r", "https://github.com/o/r"),
        ("ssh://git@github.com/o/r.git", "https://github.com/o/r.git"),
        ("ssh://git@GitHub.com:2222/o/r", "https://github.com/o/r"),
    ],
)
def test_only_the_own_user_may_name_ssh_and_hosts_are_listed(
    text: str, over_https: str
) -> None:
    hosts = frozenset({"github.com"})
    source = parse_source(text, SourcePolicy(hosts, allow_ssh=True))
    assert source.is_ssh
    assert source.over_https.url == over_https
    with pytest.raises(InvalidInput, match="only that user may name it"):
        parse_source(text, SourcePolicy(hosts))
    with pytest.raises(InvalidInput, match="ALLOWED_GIT_HOSTS"):
        parse_source(text, SourcePolicy(frozenset({"other.example"}), allow_ssh=True))


@pytest.mark.parametrize(
    "text",
    [
        "ssh://-oProxyCommand=id/x",
        "ssh://git@-oProxyCommand=id/x",
        "ssh://github.com/../x",
        "git@github.com:$(id)",
        "git@github.com:a b",
        "ssh://git@github.com:99999999/x",
        "git@github.com:-x`id`",
    ],
)
def test_no_option_and_no_shell_hides_in_an_ssh_url(text: str) -> None:
    policy = SourcePolicy(frozenset({"github.com"}), allow_ssh=True)
    with pytest.raises(InvalidInput):
        parse_source(text, policy)


def test_ssh_never_asks_and_the_users_own_options_come_first() -> None:
    plain = UserGit((), {}).ssh_environment["GIT_SSH_COMMAND"]
    assert plain.startswith("ssh -o BatchMode=yes -o StrictHostKeyChecking=yes")
    own = UserGit((("core.sshcommand", "ssh -v"),), {"SSH_AUTH_SOCK": "/a"})
    assert own.ssh_environment["GIT_SSH_COMMAND"].startswith("ssh -v -o BatchMode=yes")
    assert own.ssh_environment["SSH_AUTH_SOCK"] == "/a"


async def test_a_rule_of_the_users_git_does_not_make_ssh_everybodys(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = home / "gitconfig"
    key = "url.git@127.0.0.1:.insteadOf"
    git(home, "config", "-f", str(config), key, "http://127.0.0.1:9/")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    policy = SourcePolicy(
        frozenset(), frozenset({"127.0.0.1:9", "127.0.0.1"}), allow_ssh=True
    )
    source = parse_source("http://127.0.0.1:9/o/r", policy)
    with pytest.raises(RepositoryError, match="does not answer"):
        await resolve_remote(source, policy, {})
    pushed = await resolve_remote(source, policy, {}, push=True)
    assert pushed.url == "git@127.0.0.1:o/r"
    no_ssh = SourcePolicy(frozenset(), policy.private_hosts)
    with pytest.raises(RepositoryError, match="does not answer"):
        await resolve_remote(source, no_ssh, {}, push=True)
