"""Addresses as copied from a browser."""

import pytest

from aideator.repositories.address import Address, pull_request_ref, read_address

REPO = "https://github.com/o/r"
NAMES = dict.fromkeys(
    [
        "HEAD",
        "refs/heads/main",
        "refs/heads/fix/dates",
        "refs/heads/fix",
        "refs/tags/v1",
    ],
    "0" * 40,
)


@pytest.mark.parametrize(
    ("text", "repo", "ref", "path"),
    [
        (f"{REPO}/tree/main", REPO, "main", ""),
        (f"{REPO}/tree/main/packages/x", REPO, "main", "packages/x"),
        (
            f"{REPO}/tree/fix/dates/packages/x/?tab=readme",
            REPO,
            "fix/dates",
            "packages/x",
        ),
        (f"{REPO}/tree/fix%2Fdates/a%20b", REPO, "fix/dates", "a b"),
        (f"{REPO}/tree/v1/src", REPO, "v1", "src"),
        (f"{REPO}/tree/0123abc/src", REPO, "0123abc", "src"),
        (f"{REPO}/blob/fix/dates/src/a.py#L3", REPO, "fix/dates", ""),
        (f"{REPO}/commit/0123abcd", REPO, "0123abcd", ""),
        (
            "https://gitlab.com/g/sub/r/-/tree/fix/dates/app?ref_type=heads",
            "https://gitlab.com/g/sub/r",
            "fix/dates",
            "app",
        ),
        (
            "https://gitlab.com/g/r/-/blob/main/a.py",
            "https://gitlab.com/g/r",
            "main",
            "",
        ),
        ("https://gitlab.com/g/r/-/commit/12", "https://gitlab.com/g/r", "12", ""),
        (
            "https://codeberg.org/o/r/src/branch/fix/dates/x",
            "https://codeberg.org/o/r",
            "fix/dates",
            "x",
        ),
        (
            "https://codeberg.org/o/r/src/commit/0123abcd/x",
            "https://codeberg.org/o/r",
            "0123abcd",
            "x",
        ),
        (
            "https://bitbucket.org/o/r/src/main/x",
            "https://bitbucket.org/o/r",
            "main",
            "x",
        ),
        (
            "https://bitbucket.org/o/r/commits/0123abcd",
            "https://bitbucket.org/o/r",
            "0123abcd",
            "",
        ),
    ],
)
def test_ref_and_folder_are_told_apart_by_the_refs_of_the_remote(
    text: str, repo: str, ref: str, path: str
) -> None:
    found = read_address(text)
    assert found is not None
    assert found.repo_url == repo
    assert found.split(NAMES) == (ref, path)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (f"{REPO}/pull/7", "pull"),
        (f"{REPO}/pull/7/files", "pull"),
        ("https://gitlab.com/g/s/r/-/merge_requests/7/diffs", "pull"),
        ("https://codeberg.org/o/r/pulls/7", "pull"),
        ("https://bitbucket.org/o/r/pull-requests/7/title", "pull"),
        (f"{REPO}/issues/7#issuecomment-1", "issue"),
        ("https://gitlab.com/g/s/r/-/issues/7", "issue"),
        ("https://gitlab.com/g/s/r/-/work_items/7", "issue"),
        ("https://bitbucket.org/o/r/issues/7/title", "issue"),
    ],
)
def test_pull_requests_and_issues_are_told_by_their_number(
    text: str, kind: str
) -> None:
    found = read_address(text)
    assert found is not None
    assert (found.kind, found.number) == (kind, 7)


@pytest.mark.parametrize(
    "text",
    [
        REPO,
        f"{REPO}.git",
        f"{REPO}/",
        f"{REPO}/wiki/tree",
        f"{REPO}/tree",
        f"{REPO}/issues",
        f"{REPO}/issues/new",
        f"{REPO}/pull/99999999999",
        f"{REPO}/tree/main/../../etc",
        f"{REPO}/tree/main/%2e%2e/x",
        f"{REPO}/tree/main/.git/hooks",
        "https://gitlab.com/tree/main/group",
        "/o/r/tree/main",
        "git@github.com:o/r/tree/main",
        "ssh://github.com/o/r/tree/main",
        "https://[broken",
        "",
    ],
)
def test_any_other_text_is_no_such_address(text: str) -> None:
    assert read_address(text) is None


def test_a_repository_may_be_called_as_a_part_of_an_address() -> None:
    assert read_address("https://github.com/tree/blob/tree/main/x") == Address(
        "https://github.com/tree/blob", "folder", ("main", "x")
    )


def test_each_forge_keeps_the_head_of_a_pull_request_under_its_own_ref() -> None:
    assert pull_request_ref("github", 7) == "pull/7/head"
    assert pull_request_ref("gitlab", 7) == "merge-requests/7/head"
    assert pull_request_ref("gitea", 7) == pull_request_ref(None, 7) == "pull/7/head"
