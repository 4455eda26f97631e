"""Which registries this machine's package managers are set to use: no name is ours."""

import base64
import os
import shutil
from pathlib import Path

import pytest

from aideator.setup.network import NetworkPolicy
from aideator.setup.registries.base import address
from aideator.setup.registries.find import Ecosystem, needed_ecosystems
from aideator.setup.registries.go import go_registries
from aideator.setup.registries.java import maven_registries
from aideator.setup.registries.node import node_registries
from aideator.setup.registries.python import python_registries
from aideator.setup.upstream import upstream_proxy


@pytest.fixture
def clean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home without configuration."""
    for name in list(os.environ):
        if name.upper().startswith(("PIP_", "UV_", "NPM_", "GOPROXY", "CARGO_HOME")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / ".config"))
    return tmp_path


def test_pip_itself_says_where_it_goes_without_configuration(clean: Path) -> None:
    (pip,) = python_registries()
    assert len(pip.servers) == 2, "its index, and the host of the files"
    assert all(server.endswith(":443") for server in pip.servers)
    assert (pip.variables, pip.credentials, pip.unknown) == ({}, {}, "")
    assert not list(clean.iterdir())


def test_a_mirror_of_pip_is_told_to_uv_too_and_its_password_stays_outside(
    clean: Path,
) -> None:
    (clean / ".config" / "pip").mkdir(parents=True)
    (clean / ".config" / "pip" / "pip.conf").write_text(
        "[global]\nindex-url = https://me:s3cr3t@mirror.example/simple\n"
        "extra-index-url = http://other.example:8081/simple\n"
    )
    pip, uv = python_registries()
    assert pip.servers == {"mirror.example:443", "other.example:8081"} == uv.servers
    assert pip.variables == {
        "PIP_INDEX_URL": "http://mirror.example/simple",
        "PIP_EXTRA_INDEX_URL": "http://other.example:8081/simple",
        "PIP_TRUSTED_HOST": "mirror.example",
    }
    assert uv.variables["UV_DEFAULT_INDEX"] == "http://mirror.example/simple"
    word = base64.b64encode(b"me:s3cr3t").decode()
    assert pip.credentials == {"https://mirror.example": f"Basic {word}"}
    assert "s3cr3t" not in repr(pip)
    assert word not in repr(pip)


@pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not installed")
def test_npm_says_its_registry_and_its_files_say_the_token(
    clean: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (npm, *_) = node_registries()
    assert len(npm.servers) == 1
    monkeypatch.setenv("TOKEN", "t0ken")
    (clean / ".npmrc").write_text(
        "registry=https://npm.example/all/\n@own:registry=https://own.example/\n"
        "//npm.example/all/:_authToken=${TOKEN}\n"
    )
    (npm, *_) = node_registries()
    assert npm.servers == {"npm.example:443", "own.example:443"}
    assert npm.variables["npm_config_registry"] == "http://npm.example/all/"
    assert npm.files == {"npmrc": "@own:registry=https://own.example/\n"}
    assert npm.credentials == {"https://npm.example": "Bearer t0ken"}


@pytest.mark.skipif(shutil.which("go") is None, reason="go is not installed")
def test_go_says_its_proxies_and_its_checksum_database(
    clean: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOPROXY", "https://a:b@one.example,http://two.example|direct")
    monkeypatch.setenv("GOSUMDB", "sum.example+key https://sums.example/db")
    (go,) = go_registries()
    assert go.servers == {"one.example:443", "two.example:80", "sums.example:443"}
    assert go.variables["GOPROXY"] == ("http://one.example,http://two.example|direct")
    assert list(go.credentials) == ["https://one.example"]


def test_a_mirror_of_maven_is_told_without_its_password(clean: Path) -> None:
    (clean / ".m2").mkdir()
    (clean / ".m2" / "settings.xml").write_text(
        '<settings xmlns="http://maven.example/SETTINGS/1.0.0"><servers><server>'
        "<id>m</id><password>s3cr3t</password></server></servers><mirrors><mirror>"
        "<id>m</id><url>https://mvn.example/all</url><mirrorOf>*</mirrorOf></mirror>"
        "</mirrors></settings>"
    )
    (maven,) = maven_registries()
    assert maven.servers == {"mvn.example:443"}
    told = maven.files["~/.m2/settings.xml"]
    assert "https://mvn.example/all" in told
    assert "s3cr3t" not in told


def test_a_project_gets_the_registries_of_its_own_languages_only(
    tmp_path: Path,
) -> None:
    assert needed_ecosystems(tmp_path, []) == set()
    (tmp_path / "pyproject.toml").write_text("")
    assert needed_ecosystems(tmp_path, []) == {Ecosystem.PYTHON}
    assert needed_ecosystems(tmp_path, ["sh ./gradlew test", "cd x && npm ci"]) == {
        Ecosystem.PYTHON,
        Ecosystem.NODE,
        Ecosystem.GRADLE,
    }


@pytest.mark.parametrize(
    "url", ["", "direct", "ftp://x/", "https://", "https://[::1]/", "https://x:99999/"]
)
def test_what_is_no_http_address_names_no_server(url: str) -> None:
    assert address(url) is None


async def test_none_and_a_list_ask_no_package_manager() -> None:
    closed = NetworkPolicy()
    assert not closed.is_open
    assert not (await closed.network(frozenset(Ecosystem))).egress
    listed = NetworkPolicy(hosts=frozenset({"a.example"}))
    network = await listed.network(frozenset(Ecosystem))
    assert (network.registries, network.variables) == ((), {})


async def test_certificates_that_sandboxes_do_not_see_are_carried_without_a_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin, end = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
    file = tmp_path / "own.pem"
    file.write_text(
        f"-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n"
        f"{begin}\nTUlJ\n{end}\n"
    )
    monkeypatch.setenv("NODE_EXTRA_CA_CERTS", str(file))
    network = await NetworkPolicy(auto=True).network(frozenset())
    name = "node_extra_ca_certs.pem"
    assert network.files == {name: f"{begin}\nTUlJ\n{end}\n"}
    path = network.setup_variables["NODE_EXTRA_CA_CERTS"]
    assert path == f"/workspace/.aideator/{name}"


def test_this_machines_proxy_is_used_but_for_excluded_hosts() -> None:
    proxy = upstream_proxy(
        {"HTTPS_PROXY": "http://me:pw@proxy.example:3128", "NO_PROXY": "own.example"}
    )
    assert proxy is not None
    assert (proxy.host, proxy.port) == ("proxy.example", 3128)
    assert proxy.serves("files.example", 443)
    assert not proxy.serves("a.own.example", 443)
    assert not proxy.serves("10.0.0.1", 443), "its address is judged here"
    assert "pw" not in repr(proxy)
    named = upstream_proxy({}, "http://of-npm.example:8080")
    assert named is not None
    assert named.host == "of-npm.example"
    assert upstream_proxy({}) is None
