"""What the commands of checks run in the repository.

These are scripts by path, and targets of task runners such as make.
"""

import re
import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

from aideator.changes.diff import Hunk
from aideator.domain.check import Check

_RUNNERS = {
    "make": ("Makefile", "makefile", "GNUmakefile"),
    "gmake": ("Makefile", "makefile", "GNUmakefile"),
    "just": ("justfile", "Justfile", ".justfile"),
    "task": ("Taskfile.yml", "Taskfile.yaml"),
    "rake": ("Rakefile",),
    "invoke": ("tasks.py",),
    "inv": ("tasks.py",),
    "npm": ("package.json",),
    "pnpm": ("package.json",),
    "yarn": ("package.json",),
    "bun": ("package.json",),
    "composer": ("composer.json",),
}
"""Task runners, with the files of the repository that define their targets."""

_NOT_TARGETS = frozenset(
    {"run", "run-script", "exec", "ci", "install", "-s", "--silent", "--"}
)
_WRAPPERS = frozenset({"env", "exec", "time", "(", "{"})
_RULE = re.compile(r"^([\w./-]+(?:\s+[\w./-]+)*)\s*::?(?!=)")
_ASSIGNMENT = re.compile(r"^(?:export\s+|override\s+)?[\w.]+\s*[:?+!]?=")
_SCRIPT = re.compile(r"^\"([\w:.-]+)\"\s*:\s*\"")
_SPLIT = re.compile(r"&&|\|\||[;|\n]")


@dataclass(frozen=True)
class CheckCommands:
    """What the commands of checks run."""

    paths: frozenset[str]
    targets: dict[str, frozenset[str]]
    """By file: the targets or scripts in it; the default one is an empty name."""

    def run_file(self, path: str) -> bool:
        """Return whether a command runs this file by its path."""
        return path in self.paths

    def changed_lines(self, path: str, hunk: Hunk) -> Iterator[tuple[str, str]]:
        """Yield the changed lines of a hunk that belong to a target which a check runs.

        Each with its kind, `added` or `removed`.
        """
        wanted = self.targets.get(path)
        if wanted is None:
            return
        reads = _json_scripts if path.endswith(".json") else _rules
        yield from reads(hunk, wanted)


def parse_commands(checks: Iterable[Check]) -> CheckCommands:
    """Parse the commands of checks, as far as that is possible without a shell."""
    paths: set[str] = set()
    targets: dict[str, frozenset[str]] = {}
    for check in checks:
        for part in _SPLIT.split(check.command):
            words = _words(part)
            paths.update(_paths(words))
            for file in _RUNNERS.get(_program(words), ()):
                targets[file] = targets.get(file, frozenset()) | _targets(words)
    return CheckCommands(frozenset(paths), targets)


def _paths(words: list[str]) -> Iterator[str]:
    """Yield the paths that a command may run, also as `python -m`."""
    for word in words:
        yield word.removeprefix("./")
    for flag, module in pairwise(words):
        if flag == "-m":
            path = module.replace(".", "/")
            yield f"{path}.py"
            yield f"{path}/__main__.py"


def _words(part: str) -> list[str]:
    try:
        return shlex.split(part)
    except ValueError:  # an open quote: a shell would complain as well
        return part.split()


def _program(words: list[str]) -> str:
    """Return the name of the program that a command starts."""
    for word in words:
        if not re.match(r"^\w+=", word) and word not in _WRAPPERS:
            return word.rpartition("/")[2]
    return ""


def _targets(words: list[str]) -> frozenset[str]:
    named = [
        word
        for word in words[1:]
        if word not in _NOT_TARGETS and not word.startswith("-") and "=" not in word
    ]
    first = {"t": "test", "tst": "test"}.get(named[0], named[0]) if named else ""
    # `npm run check` also runs `precheck` and `postcheck`.
    return frozenset({first, *named[1:], f"pre{first}", f"post{first}"})


def _rules(hunk: Hunk, wanted: frozenset[str]) -> Iterator[tuple[str, str]]:
    """Yield changed lines of a Makefile or the like.

    These are recipes of the targets, and variables, which any recipe may use.
    """
    targets = _targets_of_rule(hunk.heading) or []
    for line in hunk.lines:
        targets = _targets_of_rule(line.text) or targets
        # Without a named target, the first one runs, which a hunk need not show.
        runs = not wanted.isdisjoint(targets) or ("" in wanted and bool(targets))
        text = line.text.strip()
        if line.kind != "context" and text and (runs or _ASSIGNMENT.match(line.text)):
            yield line.kind, text


def _targets_of_rule(line: str) -> list[str]:
    found = _RULE.match(line)
    return found[1].split() if found else []


def _json_scripts(hunk: Hunk, wanted: frozenset[str]) -> Iterator[tuple[str, str]]:
    for line in hunk.lines:
        found = _SCRIPT.match(line.text.strip())
        if line.kind != "context" and found and found[1] in wanted:
            yield line.kind, line.text.strip()
