"""Which compilers of this machine sandboxes see without being told."""

from pathlib import Path

import pytest

from aideator.setup.toolchains import find_toolchains

GO = """#!/bin/sh
[ "$1 $2" = "env GOROOT" ] && echo {root}
"""
JAVA = """#!/bin/sh
echo 'Property settings:
    java.home = {root}
    java.version = 25' >&2
"""
NODE = """#!/bin/sh
[ "$1 $2" = "--print process.execPath" ] && echo {root}/bin/node
"""
RUSTC = """#!/bin/sh
pwd > {told}
[ "$1 $2" = "--print sysroot" ] && echo {root}
"""


def install(folder: Path, name: str, text: str = "#!/bin/sh\n") -> Path:
    """Write a program into the `bin` of a folder; return that."""
    (folder / "bin").mkdir(parents=True, exist_ok=True)
    program = folder / "bin" / name
    program.write_text(text)
    program.chmod(0o755)
    return folder / "bin"


@pytest.fixture
def person(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home whose `bin` is all of PATH but for the usual folders."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/local/bin:/usr/bin:/bin")
    return tmp_path


def test_each_program_says_itself_where_it_is_kept(person: Path) -> None:
    """On PATH are version managers' shims, as of rustup and mise."""
    versions = {name: person / "versions" / name for name in ("go", "java", "node")}
    sysroot = person / ".rustup" / "toolchains" / "stable"
    for name, folder in versions.items():
        install(folder, name)
    install(sysroot, "cargo")
    install(person, "go", GO.format(root=versions["go"]))
    install(person, "java", JAVA.format(root=versions["java"]))
    install(person, "node", NODE.format(root=versions["node"]))
    install(person, "cargo")
    told = person / "told"
    install(person, "rustc", RUSTC.format(root=sysroot, told=told))
    assert set(find_toolchains()) == {*versions.values(), sysroot}
    assert told.read_text() == "/\n", "no project's toolchain file decides"


def test_a_folder_that_holds_the_home_is_never_shown(person: Path) -> None:
    install(person, "node", NODE.format(root=person))
    assert find_toolchains() == ()
    install(person, "node", NODE.format(root=person.parent))
    install(person.parent, "node")
    assert find_toolchains() == ()


@pytest.mark.parametrize(
    "answer", ["", "relative/go", "/nonexistent/go", "/usr", "/usr/local", "/"]
)
def test_an_answer_that_is_no_folder_of_its_own_is_left_out(
    person: Path, answer: str
) -> None:
    install(person, "go", GO.format(root=answer))
    assert find_toolchains() == ()


def test_what_sandboxes_see_anyway_is_not_asked(
    person: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/usr/local/bin:/usr/bin:/bin")
    assert find_toolchains() == ()
