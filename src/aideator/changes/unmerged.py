"""Find work that an attempt left in git and not in its work tree.

It may lie on another branch, in a stash, or in commits that no branch names any more.
The attempt's `.git` is read as data: names of commits from its refs and logs, and
objects that are packed and unpacked again, so that every one is hashed anew. git runs
with the trusted `.git` alone.
"""

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from aideator.changes.leftovers import enumerate_names
from aideator.changes.scratch_git import (
    SCRATCH,
    WORKSPACE,
    Paths,
    is_below,
    match_leftovers,
    run_git,
    split_names,
    text,
    try_git,
)
from aideator.sandbox.base import Sandbox

_MAX_FILES = 300
"""Files of refs and logs that are read, the newest first."""
_MAX_BYTES = 2**16
"""Bytes of each that are read, from its end."""
_MAX_TIPS = 20
"""Commits that are looked at."""
_MAX_PACK = 256 * 2**20
_OBJECT = re.compile(rb"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_FILES = frozenset({b"100644", b"100755", b"120000"})
"""Modes of regular files, programs and symbolic links."""

Entry = tuple[bytes, bytes]
"""Mode and object of a file; zeros where there is none."""


@dataclass(frozen=True)
class _Tip:
    """A commit that the attempt made."""

    commit: bytes
    name: str
    """What leads to it, for people."""
    named: bool
    """Whether a branch, a tag or a stash leads to it, and not only a log."""
    changes: dict[bytes, Entry] = field(default_factory=dict)
    """Path → what the commit has there, where that is neither in the base nor in the
    patch."""


async def take_unmerged(
    sandbox: Sandbox, base: str, left_out: Paths, staged: dict[bytes, Entry]
) -> tuple[str, ...]:
    """Stage work that lies in git alone if it is all there is; else describe it.

    Returns:
        Notes on what was found.

    Args:
        sandbox: The disposable sandbox, in which the work tree is staged.
        base: The commit that the attempt began with.
        left_out: Paths that are no part of the change.
        staged: Path → what the staged change has there.
    """
    head, tips = await _list_tips(sandbox)
    if head:
        await _copy(sandbox, base, head)
    found, notes = list[_Tip](), list[str]()
    for tip in tips[:_MAX_TIPS]:
        if await _copy(sandbox, base, tip.commit):
            lost = await _lost(sandbox, base, tip, left_out, staged)
            found.append(replace(tip, changes=lost))
        elif tip.named:
            notes.append(f"{tip.name} cannot be read")
    found = await _without_ancestors(sandbox, found, head)
    if len(found) == 1 and not staged and await _stage(sandbox, found[0].changes):
        notes.append(
            f"the work tree had no change; the patch is that of {found[0].name}"
        )
        return tuple(notes)
    return (*notes, *map(_describe, found))


def _describe(tip: _Tip) -> str:
    paths = enumerate_names([text(path) for path in tip.changes])
    return f"{tip.name} has work that is not in the patch: {paths}"


async def _list_tips(sandbox: Sandbox) -> tuple[bytes, list[_Tip]]:
    """Return the commit that HEAD names if the attempt made it, and the other tips."""
    script = f"""\
test -d .git && test ! -L .git && cd .git || exit 0
find HEAD packed-refs refs logs -type f -printf '%T@ %p\\0' 2> /dev/null |
  sort -z -n -r | head -z -n {_MAX_FILES} | cut -z -d ' ' -f 2- |
  xargs -0 -r -n 1 sh -c '
printf "%s\\0" "$0"; tail -c {_MAX_BYTES} "$0" | tr -d "\\0"; printf "\\0"'
"""
    done = await try_git(sandbox, ["sh", "-c", script])
    fields = split_names(done.stdout)
    files = dict(zip(fields[::2], fields[1::2], strict=False))
    tips = dict[bytes, _Tip]()
    for tip in sorted(_read_tips(files), key=lambda tip: not tip.named):
        tips.setdefault(tip.commit, tip)
    head = files.get(b"HEAD", b"").strip()
    if head.startswith(b"ref: "):
        head = files.get(head.removeprefix(b"ref: "), b"").strip()
    new = await _keep_new(sandbox, [*tips, head])
    return head if head in new else b"", [tips[each] for each in tips if each in new]


def _read_tips(files: dict[bytes, bytes]) -> Iterator[_Tip]:
    """Yield what refs, packed refs and logs name."""
    for path, content in files.items():
        if path == b"packed-refs":
            for line in content.splitlines():
                commit, _, ref = line.partition(b" ")
                yield _Tip(commit, _name_of(ref), named=True)
        elif path.startswith(b"refs/"):
            yield _Tip(content.strip(), _name_of(path), named=True)
        elif path.startswith(b"logs/"):
            ref = path.removeprefix(b"logs/")
            is_stash = ref == b"refs/stash"
            for line in reversed(content.splitlines()):
                commit = line.partition(b" ")[2].partition(b" ")[0]
                name = _name_of(ref) if is_stash else f"the commit {text(commit[:12])}"
                yield _Tip(commit, name, named=is_stash)


def _name_of(ref: bytes) -> str:
    if ref == b"refs/stash":
        return "a stash"
    for prefix, kind in ((b"refs/heads/", "branch"), (b"refs/tags/", "tag")):
        if ref.startswith(prefix):
            return f"the {kind} {text(ref.removeprefix(prefix))}"
    return f"the ref {text(ref)}"


async def _keep_new(sandbox: Sandbox, commits: Iterable[bytes]) -> set[bytes]:
    """Return the names of objects that the trusted `.git` does not have."""
    names = {name for name in commits if _OBJECT.fullmatch(name) and name.strip(b"0")}
    if not names:
        return set()
    asked = b"".join(name + b"\n" for name in names)
    listed = await run_git(sandbox, ["git", "cat-file", "--batch-check"], stdin=asked)
    return {
        line.removesuffix(b" missing")
        for line in listed.splitlines()
        if line.endswith(b" missing")
    }


async def _copy(sandbox: Sandbox, base: str, commit: bytes) -> bool:
    """Copy a commit and what it needs; return whether all of it is there.

    The objects are packed where the attempt left them, and hashed again here.
    """
    script = f"""\
printf '%s\\n^%s\\n' "$1" "$2" |
  GIT_OBJECT_DIRECTORY={WORKSPACE}/.git/objects git -c core.commitGraph=false \
    -c core.multiPackIndex=false pack-objects -q --revs --stdout > {SCRATCH}/pack &&
  git index-pack --stdin --fix-thin --max-input-size={_MAX_PACK} < {SCRATCH}/pack &&
  git rev-list --objects "$1" "^$2" > /dev/null && git cat-file -e "$1^{{commit}}"
"""
    sha = commit.decode()
    done = await try_git(sandbox, ["sh", "-c", script, "sh", sha, base])
    return done.exit_code == 0


async def _is_ancestor(sandbox: Sandbox, commit: bytes, of: bytes) -> bool:
    command = ["git", "merge-base", "--is-ancestor", commit.decode(), of.decode()]
    return (await try_git(sandbox, command)).exit_code == 0


async def _without_ancestors(
    sandbox: Sandbox, tips: list[_Tip], head: bytes
) -> list[_Tip]:
    """Return the tips with work that neither HEAD nor another one of them has."""
    tips = [tip for tip in tips if tip.changes]
    commits = {head, *(tip.commit for tip in tips)} - {b""}
    kept = []
    for tip in tips:
        for other in commits - ({tip.commit} - {head}):
            if await _is_ancestor(sandbox, tip.commit, other):
                break
        else:
            kept.append(tip)
    return kept


async def _changes(sandbox: Sandbox, base: str, tip: _Tip) -> dict[bytes, Entry]:
    """Return what a commit has where it differs from the base.

    The third parent of a stash has the untracked files.
    """
    changes = await _raw(sandbox, "diff-tree", "-r", base, tip.commit.decode())
    if tip.name == "a stash":
        untracked = f"{tip.commit.decode()}^3"
        listed = await try_git(sandbox, ["git", "ls-tree", "-r", "-z", untracked])
        for line in split_names(listed.stdout):
            entry, _, path = line.partition(b"\t")
            mode, _, oid = entry.split(b" ")
            changes[path] = (mode, oid)
    return changes


async def read_staged(sandbox: Sandbox, base: str) -> dict[bytes, Entry]:
    """Return path → mode and object of what is staged."""
    return await _raw(sandbox, "diff-index", "--cached", base)


async def _raw(sandbox: Sandbox, *command: str) -> dict[bytes, Entry]:
    """Parse the output of a command in git's raw format (git-diff-index(1))."""
    options = ("--raw", "-z", "--no-renames", "--no-abbrev")
    name, *arguments = command
    fields = split_names(await run_git(sandbox, ["git", name, *options, *arguments]))
    pairs = zip(fields[::2], fields[1::2], strict=False)
    rows = ((meta.split(b" "), path) for meta, path in pairs)
    return {path: (row[1], row[3]) for row, path in rows}


async def _lost(
    sandbox: Sandbox,
    base: str,
    tip: _Tip,
    left_out: Paths,
    staged: dict[bytes, Entry],
) -> dict[bytes, Entry]:
    """Return the changes of a commit that the patch does not have.

    What only a log leads to, such as a commit that was amended, counts where the patch
    leaves the file as it was.
    """
    excluded = tuple(map(os.fsencode, left_out))
    changes = await _changes(sandbox, base, tip)
    lost = [
        path
        for path, entry in changes.items()
        if path not in staged or (tip.named and staged[path] != entry)
    ]
    leftovers = await match_leftovers(sandbox, lost)
    return {
        path: changes[path]
        for path in lost
        if path not in leftovers and not is_below(path, excluded)
    }


async def _stage(sandbox: Sandbox, changes: dict[bytes, Entry]) -> bool:
    """Stage files; return whether git took all of them."""
    kept = {
        path: (mode, oid)
        for path, (mode, oid) in changes.items()
        if mode in _FILES or not mode.strip(b"0")
    }
    lines = b"".join(
        b"%s %s\t%s\0" % (mode, oid, path) for path, (mode, oid) in kept.items()
    )
    index = f"{SCRATCH}/index"
    script = (
        f"cp {index} {index}.before && git update-index -z --index-info"
        f" || {{ mv {index}.before {index}; exit 1; }}"
    )
    done = await try_git(sandbox, ["sh", "-c", script], stdin=lines)
    return bool(kept) and done.exit_code == 0
