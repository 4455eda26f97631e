"""What a check's own command runs in the repository: scripts by path, and targets of task runners."""

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
"""Programs that look up what to do in a file of the repository."""

_NOT_TARGETS = frozenset(
    {"run", "run-script", "exec", "ci", "install", "-s", "--silent", "--"}
)
_RULE = re.compile(r"^([\w./-]+(?:\s+[\w./-]+)*)\s*::?(?!=)")
_ASSIGNMENT = re.compile(r"^(?:export\s+|override\s+)?[\w.]+\s*[:?+!]?=")
_SCRIPT = re.compile(r"^\"([\w:.-]+)\"\s*:\s*\"")
_SPLIT = re.compile(r"&&|\|\||[;|\n]")


@dataclass(frozen=True)
class Called:
    """What the commands of checks run."""

    paths: frozenset[str]
    targets: dict[str, frozenset[str]]
    """By file: the targets or scripts in it; the default one is an empty name."""

    def names(self, path: str) -> bool:
        """Whether a command runs this very file."""
        return path in self.paths

    def changed(self, path: str, hunk: Hunk) -> Iterator[tuple[str, str]]:
        """The changed lines of a hunk that belong to a target which a check runs."""
        wanted = self.targets.get(path)
        if wanted is None:
            return
        reads = _json_scripts if path.endswith(".json") else _rules
        yield from reads(hunk, wanted)


def called_by(checks: Iterable[Check]) -> Called:
    """Read the commands of checks, as far as they can be read without a shell."""
    paths: set[str] = set()
    targets: dict[str, frozenset[str]] = {}
    for check in checks:
        for part in _SPLIT.split(check.command):
            words = _words(part)
            paths.update(word.removeprefix("./") for word in words)
            paths.update(
                f"{module.replace('.', '/')}{end}"
                for flag, module in pairwise(words)
                if flag == "-m"
                for end in (".py", "/__main__.py")
            )
            for file in _RUNNERS.get(_program(words), ()):
                targets[file] = targets.get(file, frozenset()) | _targets(words)
    return Called(frozenset(paths), targets)


def _words(part: str) -> list[str]:
    try:
        return shlex.split(part)
    except ValueError:  # an open quote: a shell would complain as well
        return part.split()


def _program(words: list[str]) -> str:
    plain = [
        word
        for word in words
        if not re.match(r"^\w+=", word)
        and word not in {"env", "exec", "time", "(", "{"}
    ]
    return plain[0].rpartition("/")[2] if plain else ""


def _targets(words: list[str]) -> frozenset[str]:
    named = [
        word
        for word in words[1:]
        if word not in _NOT_TARGETS and not word.startswith("-") and "=" not in word
    ]
    first = {"t": "test", "tst": "test"}.get(named[0], named[0]) if named else ""
    # Whoever runs `npm run check` runs `precheck` and `postcheck` too.
    return frozenset({first, *named[1:], f"pre{first}", f"post{first}"})


def _rules(hunk: Hunk, wanted: frozenset[str]) -> Iterator[tuple[str, str]]:
    """Lines of a Makefile or the like: recipes of the targets, and variables, which any recipe may use."""
    rule = found[1].split() if (found := _RULE.match(hunk.heading)) else []
    for line in hunk.lines:
        if found := _RULE.match(line.text):
            rule = found[1].split()
        assigns = _ASSIGNMENT.match(line.text)
        runs = not wanted.isdisjoint(rule) or ("" in wanted and bool(rule))
        if line.kind != "context" and line.text.strip() and (assigns or runs):
            yield line.kind, line.text.strip()


def _json_scripts(hunk: Hunk, wanted: frozenset[str]) -> Iterator[tuple[str, str]]:
    for line in hunk.lines:
        found = _SCRIPT.match(line.text.strip())
        if line.kind != "context" and found and found[1] in wanted:
            yield line.kind, line.text.strip()
