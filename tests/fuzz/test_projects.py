"""Files of a repository and of the directory that a command runs in.

`.aideator.toml` and the files that set-up and checks are guessed from, heads of
requests to set-up's proxy, and `.env`. A project has at most 20 commands of each kind;
what is wrong is a `RepositoryError`, `RequestRefused` or `SettingsError` of bounded
length.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from aideator.domain.errors import RepositoryError
from aideator.domain.project import Project
from aideator.environment import SettingsError
from aideator.repositories.checkout import Checkout, Commit
from aideator.repositories.source import Source
from aideator.settings import load_settings
from aideator.setup.project import find_project
from aideator.setup.proxy_request import ProxyRequest, RequestRefused, parse
from tests.fuzz.strategies import around, examples, mutated, repeated
from tests.fuzz.work import check_growth, check_large
from tests.setup.test_project import STATED

TOML = (
    STATED.encode(),
    b"setup = []\n[[checks]]\n\"command\" = '''x'''\nname = '\\a'\ntimeout = 1_0.5\n",
)
PYPROJECT = b"""[project]
name = "a"
[project.optional-dependencies]
test = ["pytest"]
[dependency-groups]
dev = ["x"]
[tool.pytest.ini_options]
addopts = "-q"
"""
PACKAGE = b"""{"name": "a", "packageManager": "pnpm@9.1.0",
"scripts": {"test": "vitest"}, "dependencies": {"a": "1"}}"""
MAKEFILE = b".PHONY: test\ntest: build\n\tpytest\nbuild install deps:\n\ttrue\n"
FILES = {
    "pyproject.toml": PYPROJECT,
    "package.json": PACKAGE,
    "Makefile": MAKEFILE,
    "yarn.lock": b"__metadata:\n  version: 8\n",
    ".yarnrc.yml": b"nodeLinker: pnp\n",
    "pnpm-lock.yaml": b"lockfileVersion: '9.0'\n",
    "go.mod": b"module a\n\nrequire b v1.0.0\n",
    "Cargo.toml": b'[package]\nname = "a"\n[dependencies]\nb = "1"\n',
    "requirements.txt": b"pytest==8\n",
    "setup.cfg": b"[tool:pytest]\naddopts = -q\n",
}
SEEDS = [*TOML, *FILES.values()]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("project")


def project(folder: Path, name: str, data: bytes) -> Project | None:
    """Write one file, and determine what a run would do; None if it is refused."""
    (folder / name).write_bytes(data)
    checkout = Checkout(folder, Commit(Source("/x", local=True), "ab" * 20))
    try:
        found = find_project(checkout, can_install=True)
    except RepositoryError as error:
        check_is_short(error)
        return None
    finally:
        (folder / name).unlink()
    assert len(found.setup) <= 20
    assert len(found.checks) <= 20
    assert len(found.protected) <= 100
    return Project.model_validate_json(found.model_dump_json())


def check_is_short(error: Exception) -> None:
    assert len(str(error)) <= 3_000


def state(folder: Path, data: bytes) -> Project | None:
    return project(folder, ".aideator.toml", data)


@pytest.mark.parametrize("seed", TOML)
def test_a_seed_is_a_project(folder: Path, seed: bytes) -> None:
    assert state(folder, seed)


@examples(150)
@given(mutated(TOML))
@example(b"a = " + b"9" * 5_000)
@example(b"a = " + b"[" * 5_000)
@example(b"a = " + b"{a=" * 5_000)
@example(b'checks = [{command = "x", timeout = 1e999}]')
@example(b'checks = [{command = "\\u0000"}]')
@example(b'"' + b"x" * 10**5 + b'" = 1')
@example(b"\xff")
def test_a_broken_file_of_the_project_is_refused_in_words(
    folder: Path, data: bytes
) -> None:
    state(folder, data)


@pytest.mark.parametrize("name", FILES)
@examples(10)
@given(data=st.data())
def test_a_broken_file_changes_only_what_is_guessed(
    folder: Path, name: str, data: st.DataObject
) -> None:
    assert project(folder, name, data.draw(mutated([FILES[name], *SEEDS])))


@examples(10)
@given(repeated(TOML))
def test_work_grows_in_proportion(folder: Path, build: Callable[[int], bytes]) -> None:
    check_growth(lambda data: state(folder, data), build, per_byte=1_000)


LONG_KEY = b"b%d" + b".a" * 90
LARGE = {
    "a key of many parts": (".aideator.toml", around(b"a", b".a", b" = 1\n")),
    "keys of many parts": (
        ".aideator.toml",
        around(b"", LONG_KEY + b"=1\n"),
    ),
    "quoted parts": (".aideator.toml", around(b"a", b'."a"', b" = 1\n")),
    "a header of many parts": ("pyproject.toml", around(b"[a", b".a", b"]\n")),
    "unknown keys": (".aideator.toml", around(b"", b"a%d = 1\n")),
    "quotes": (".aideator.toml", around(b"a = ", b"'\"")),
    "a makefile of names": ("Makefile", around(b"", b"a ", b"test")),
    "nested json": ("package.json", around(b"", b'{"a":')),
}


@pytest.mark.parametrize("shape", LARGE)
def test_a_large_file_takes_neither_long_nor_much_memory(
    folder: Path, shape: str
) -> None:
    name, build = LARGE[shape]
    check_large(
        lambda data: project(folder, name, data), build, per_byte=1_000, size=2**17
    )


REQUESTS = (
    b"CONNECT index.example:443 HTTP/1.1\r\nhost: index.example:443\r\nuser-agent: pip",
    b"GET http://deb.example:8080/a?b HTTP/1.1\r\nhost: x\r\naccept: */*\r\nx-y: z",
)


@examples(200)
@given(mutated(REQUESTS))
@example(b"CONNECT a:" + b"9" * 5_000 + b" HTTP/1.1")
@example(b"GET http://a/\r\n\r\nGET http://b/ HTTP/1.1")
def test_a_broken_request_to_the_proxy_is_refused_or_is_one_request(
    head: bytes,
) -> None:
    try:
        request = parse(head)
    except RequestRefused:
        return
    assert isinstance(request, ProxyRequest)
    assert len(request.host) <= 253
    assert 0 < request.port < 65_536
    forwarded = request.forwarded or b"\r\n\r\n"
    assert forwarded.count(b"\r\n\r\n") == 1
    assert len(forwarded) <= len(head) + 600


@examples(10)
@given(repeated(REQUESTS))
def test_work_of_the_proxy_grows_in_proportion(build: Callable[[int], bytes]) -> None:
    def read(head: bytes) -> None:
        with suppress(RequestRefused):
            parse(head)

    check_growth(read, build, per_byte=100)
    check_large(read, build, per_byte=100)


ENV = b"""# settings
export MAX_VARIATIONS=3
PROJECT_NAME="A ${USER} \\n name"
ALLOWED_GIT_HOSTS=["github.com"]
MAX_UPLOAD='1g'
SANDBOX_MEMORY=512m
"""
BOMB = b"A=" + b"x" * 1_000 + b"\n" + b"A=${A}${A}\n" * 30
NAMES = ("SANDBOX_MEMORY", "ALLOWED_GIT_HOSTS", "AIDEATOR_PORT", "GIT_TOKENS")


@pytest.fixture(scope="module")
def directory(folder: Path) -> Iterator[Path]:
    before = Path.cwd()
    os.chdir(folder)
    yield folder
    os.chdir(before)


def load(directory: Path, data: bytes) -> None:
    (directory / ".env").write_bytes(data)
    try:
        with suppress(SettingsError):
            load_settings()
    finally:
        (directory / ".env").unlink()


@examples(60)
@given(mutated([ENV]))
@example(BOMB)
@example(b"\xff\xfe")
@example(b"SANDBOX_MEMORY=" + b"9" * 400)
@example(b"ALLOWED_GIT_HOSTS=" + b"[" * 5_000)
@example(b"GIT_TOKENS=" + b"[" * 5_000)
def test_a_broken_env_file_is_refused_in_words(directory: Path, data: bytes) -> None:
    load(directory, data)


@examples(60)
@given(st.sampled_from(NAMES), st.text(max_size=30))
def test_any_value_of_a_setting(directory: Path, name: str, value: str) -> None:
    load(directory, f"{name}='{value}'\n".encode(errors="replace"))
