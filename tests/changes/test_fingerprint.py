"""When two patches are the same change; made by real git."""

import subprocess
from pathlib import Path

import pytest

from aideator.changes.fingerprint import fingerprint
from tests.conftest import GIT_ENV

BASE = {
    "a.py": "".join(f"line {n}\n" for n in range(30)),
    "b.py": "x = 1\n",
    "p.bin": "\0one",
}


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    git(tmp_path, "init", "-q")
    write(tmp_path, BASE)
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-qm", "base")
    return tmp_path


def git(repo: Path, *arguments: str) -> bytes:
    return subprocess.run(
        ["git", *arguments], cwd=repo, env=GIT_ENV, check=True, capture_output=True
    ).stdout


def write(repo: Path, files: dict[str, str]) -> None:
    for path, text in files.items():
        (repo / path).write_text(text)


def patch(repo: Path, files: dict[str, str], *options: str) -> bytes:
    git(repo, "checkout", "-q", "-f", "HEAD")
    git(repo, "clean", "-qfd")
    write(repo, files)
    git(repo, "add", "-A")
    return git(
        repo,
        "diff",
        "--cached",
        "--binary",
        "--no-renames",
        "--full-index",
        *options,
        "HEAD",
    )


def test_context_line_ends_and_the_order_of_files_do_not_matter(repo: Path) -> None:
    change = {
        "a.py": BASE["a.py"].replace("line 9\n", "nine\n").replace("line 20\n", ""),
        "b.py": "x = 2\n",
    }
    plain = patch(repo, change)
    spaced = patch(repo, {**change, "b.py": "x = 2  \r\n"})
    first, second = plain.split(b"diff --git ")[1:]
    turned = b"diff --git " + second + b"diff --git " + first
    others = [patch(repo, change, "-U0"), patch(repo, change, "-U12"), spaced, turned]
    assert {fingerprint(other) for other in others} == {fingerprint(plain)}


@pytest.mark.parametrize(
    "other",
    [
        {"b.py": "x = 3\n"},
        {"b.py": " x = 2\n"},
        {"c.py": "x = 2\n"},
        {"b.py": "x = 2\n", "c.py": ""},
        {"p.bin": "\0two"},
    ],
)
def test_another_change_has_another_name(repo: Path, other: dict[str, str]) -> None:
    assert fingerprint(patch(repo, other)) != fingerprint(
        patch(repo, {"b.py": "x = 2\n"})
    )


def test_the_same_line_in_another_place_is_another_change(repo: Path) -> None:
    here = {"a.py": BASE["a.py"].replace("line 3\n", "line 3\nnew\n")}
    there = {"a.py": BASE["a.py"].replace("line 4\n", "line 4\nnew\n")}
    assert fingerprint(patch(repo, here)) != fingerprint(patch(repo, there))
    assert fingerprint(patch(repo, here, "-U0")) == fingerprint(patch(repo, here))


def test_a_binary_file_counts_by_its_bytes_and_an_empty_patch_has_no_name(
    repo: Path,
) -> None:
    assert fingerprint(patch(repo, {"p.bin": "\0two"})) != fingerprint(
        patch(repo, {"p.bin": "\0three"})
    )
    assert fingerprint(b"") == ""
