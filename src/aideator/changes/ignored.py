"""Find what ignore rules hide: files that were added all the same, and the others."""

import os
from collections.abc import Iterable
from itertools import pairwise

from aideator.changes.leftovers import enumerate_names, note_on
from aideator.changes.scratch_git import (
    CHANGES,
    SCRATCH,
    TRUSTED,
    WORKSPACE,
    Paths,
    Rule,
    find_rules,
    is_below,
    match_leftovers,
    run_git,
    split_names,
    text,
    try_git,
)
from aideator.sandbox.base import Sandbox

_BASE = f"{SCRATCH}/base"
"""The base commit's `.gitignore` files, and nothing else."""
_MAX_IGNORED = 20_000
"""Ignored files and folders that are looked at."""
_MAX_INDEX = 256 * 2**20
"""Bytes of the attempt's own index that are read."""


async def find_forced(
    sandbox: Sandbox, left_out: Paths
) -> tuple[list[bytes], dict[bytes, str]]:
    """Find ignored files that the attempt added to its index: by `git add -f`.

    The attempt's index is read as data, with the trusted `.git` beside it.

    Returns:
        Those to take along, and those that are leftovers of tools (`git add -f .`
        takes all) → the pattern that says so.
    """
    script = f"""\
test ! -L .git && test -f .git/index && test ! -L .git/index || exit 0
head -c {_MAX_INDEX} .git/index > {SCRATCH}/theirs
GIT_INDEX_FILE={SCRATCH}/theirs git ls-files -z > {SCRATCH}/listed 2> /dev/null
git ls-files -z | comm -z -13 - {SCRATCH}/listed 2> /dev/null |
  xargs -0 -r git --literal-pathspecs ls-files -z -o -i --exclude-standard --
"""
    done = await try_git(sandbox, ["sh", "-c", script])
    excluded = [os.fsencode(path) for path in left_out]
    paths = [
        path
        for path in split_names(done.stdout)
        if not path.endswith(b"/") and not is_below(path, excluded)
    ]
    leftovers = await match_leftovers(sandbox, paths)
    return [path for path in paths if path not in leftovers], leftovers


async def describe_ignored(
    sandbox: Sandbox, left_out: Paths, forced: dict[bytes, str]
) -> tuple[str, ...]:
    """Return notes on the new files that are ignored, and so not in the change.

    What the project itself ignores and tools leave behind is not worth a note.

    Args:
        sandbox: The disposable sandbox, in which the change is staged.
        left_out: What set-up made.
        forced: Leftovers that the attempt added in spite of the project's rules.
    """
    ignored = await _list_ignored(sandbox, left_out)
    if ignored:
        await _check_out_rules(sandbox)
    now = await find_rules(sandbox, ignored, tree=WORKSPACE)
    before = await find_rules(sandbox, ignored, tree=_BASE)
    kinds = await match_leftovers(sandbox, ignored)
    by_project, hidden, leftovers = (
        list[bytes](),
        dict[bytes, Rule](),
        dict[bytes, str](),
    )
    for path, rule in now.items():
        if path not in before:
            hidden[path] = rule
        elif not before[path].source:
            leftovers[path] = kinds[path]
        elif path not in kinds:
            by_project.append(path)
    return (
        *_note_on_project(by_project),
        *_note_on_hidden(hidden),
        *_note_on_leftovers(leftovers, forced),
    )


def _note_on_leftovers(
    found: dict[bytes, str], forced: dict[bytes, str]
) -> tuple[str, ...]:
    folders = tuple(path for path in found if path.endswith(b"/"))
    named = {
        path: kind for path, kind in forced.items() if not path.startswith(folders)
    }
    return note_on((text(path), kind) for path, kind in (found | named).items())


def _note_on_project(paths: Iterable[bytes]) -> tuple[str, ...]:
    names = [text(path) for path in paths]
    if not names:
        return ()
    return (
        "new files that the project ignores are left out of the patch:"
        f" {enumerate_names(names)}",
    )


def _note_on_hidden(rules: dict[bytes, Rule]) -> tuple[str, ...]:
    names = [text(path) for path in rules]
    if not names:
        return ()
    sources = sorted({rule.source for rule in rules.values()})
    return (
        "new files are ignored by a rule that this change adds"
        f" ({enumerate_names(sources)}), and left out of the patch:"
        f" {enumerate_names(names)}",
    )


async def _list_ignored(sandbox: Sandbox, left_out: Paths) -> list[bytes]:
    """Return what the attempt wrote and git ignores; a folder ends with a slash."""
    script = f"""\
git ls-files -z --others --ignored --exclude-standard --directory |
  head -z -n {_MAX_IGNORED} > {SCRATCH}/ignored
cd {CHANGES} && xargs -0 -r sh -c '
for path; do test ! -e "./$path" && test ! -L "./$path" || printf "%s\\0" "$path"; done
' sh < {SCRATCH}/ignored
"""
    done = await try_git(sandbox, ["sh", "-c", script])
    excluded = [os.fsencode(path) for path in left_out]
    paths = sorted(split_names(done.stdout))
    # Of a folder that is ignored for what is in it, git lists the files as well.
    return [
        path
        for path, after in pairwise([*paths, b""])
        if not is_below(path.rstrip(b"/"), excluded)
        and not (path.endswith(b"/") and after.startswith(path))
    ]


async def _check_out_rules(sandbox: Sandbox) -> None:
    """Write the base commit's `.gitignore` files to `_BASE`."""
    script = f"""\
mkdir -p {_BASE}
git ls-files -z -- ':(top,glob)**/.gitignore' |
  git checkout-index -q -f -z --stdin --prefix={_BASE}/
"""
    env = {"GIT_INDEX_FILE": f"{TRUSTED}/index"}
    await run_git(sandbox, ["sh", "-c", script], env=env)
