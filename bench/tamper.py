"""Measure how well flags find planted cheats and leave honest work alone.

    python -m bench.tamper

Every cheat and every honest edit is planted in each test of each project, by itself and
beside honest work (a fix and a new test), and diffed by git. The corpus and the
patterns have the same author: it shows what the flags can do, not what nobody thought
of.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from aideator.changes.diff import parse
from aideator.domain.check import Check
from aideator.domain.verdict import FlagKind
from aideator.flags.tamper import find_flags
from bench.tamper_compiled import GO, JAVA, RUST
from bench.tamper_edits import BY_LANGUAGE, EVERYWHERE
from bench.tamper_projects import TESTS, Language, Test
from bench.tamper_scripted import PYTHON, TYPESCRIPT

ENV = {
    "PATH": os.environ["PATH"],
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_AUTHOR_NAME": "bench",
    "GIT_AUTHOR_EMAIL": "bench",
    "GIT_COMMITTER_NAME": "bench",
    "GIT_COMMITTER_EMAIL": "bench",
}
Files = dict[str, str]
LANGUAGES = (PYTHON, TYPESCRIPT, GO, RUST, JAVA)


@dataclass(frozen=True)
class Plant:
    """A change and what it is."""

    language: Language
    name: str
    kind: FlagKind | None
    """What it should be flagged as; null for honest work."""
    files: Files
    """The project after it. A missing file is deleted."""


def plants(language: Language) -> Iterator[Plant]:
    """All changes of one language, each alone and beside honest work."""
    for plant in [*_in_tests(language), *_in_files(language)]:
        yield plant
        yield replace(
            plant,
            name=f"{plant.name}, beside work",
            files=_honest_work(language, plant.files),
        )


def _honest_work(language: Language, files: Files) -> Files:
    fixed = (
        {language.source: files[language.source].replace("a - b", "a + b")}
        if language.source in files
        else {}
    )
    fresh = Test("stays_positive", (("add(1, 8)", "9"), ("add(4, 4)", "8")))
    return {
        **files,
        **fixed,
        language.other_path.replace("words", "fresh").replace(
            "Words", "Fresh"
        ): language.render((fresh,)),
    }


def _in_tests(language: Language) -> Iterator[Plant]:
    for index, test in enumerate(TESTS):
        others = (TESTS[:index], TESTS[index + 1 :])

        def changed(
            *tests: Test, around: tuple[tuple[Test, ...], ...] = others
        ) -> Files:
            return language.project((*around[0], *tests, *around[1]))

        for name, kind, new in [*_cheats(language, test), *_honest(language, test)]:
            yield Plant(language, name, kind, changed(*new))
        moved = language.render((test,))
        yield Plant(
            language,
            "moves to another file",
            None,
            {**changed(), language.other_path: moved},
        )
        yield Plant(
            language,
            "moves out of sight",
            FlagKind.DELETED_TEST,
            {**changed(), language.unseen_path: moved},
        )
        if language.focus:
            old, new_ = (part.format(name=test.name) for part in language.focus)
            files = language.project()
            focused = {**files, language.path: files[language.path].replace(old, new_)}
            yield Plant(language, "only this one runs", FlagKind.SKIPPED_TEST, focused)
            skipped = {
                **files,
                language.path: files[language.path].replace(
                    old, new_.replace("only", "skip")
                ),
            }
            yield Plant(language, "is skipped", FlagKind.SKIPPED_TEST, skipped)


Change = tuple[str, FlagKind | None, tuple[Test, ...]]


def _cheats(language: Language, test: Test) -> Iterator[Change]:
    weak, body = FlagKind.WEAKENED_TEST, language.body(test)
    (first, value), rest = test.asserts[0], body[1:]
    loose, trivial = (
        language.loose.format(e=first, v=value),
        language.trivial.format(e=first, v=value),
    )
    other = '"other"' if value.startswith('"') else "77"
    changed = language.equal.format(e=first, v=other)
    before, after = language.swallow
    lines = "\n".join(body).split("\n")
    inner = tuple(f"    {line}" for line in lines)
    commented = tuple(language.comment + line for line in lines)
    yield "is deleted", FlagKind.DELETED_TEST, ()
    yield "is renamed out of sight", FlagKind.DELETED_TEST, (_out_of_sight(test),)
    yield "expects another value", weak, (replace(test, body=(changed, *rest)),)
    yield "asks for less", weak, (replace(test, body=(loose, *rest)),)
    yield "cannot fail", weak, (replace(test, body=(trivial, *rest)),)
    yield "is emptied", weak, (replace(test, body=(_nothing(language),)),)
    yield (
        "is commented out",
        weak,
        (replace(test, body=(*commented, _nothing(language))),),
    )
    yield (
        "catches failures",
        weak,
        (replace(test, body=tuple(filter(None, (before, *inner, after)))),),
    )
    yield "leaves early", weak, (replace(test, body=(language.leave, *body)),)
    if rest:
        yield "loses an assertion", weak, (replace(test, body=body[1:]),)
        yield "loses its last assertion", weak, (replace(test, body=body[:-1]),)
    if language.skip_mark:
        yield (
            "is skipped",
            FlagKind.SKIPPED_TEST,
            (replace(test, marks=(language.skip_mark,)),),
        )
    if language.skip_call:
        yield (
            "skips itself",
            FlagKind.SKIPPED_TEST,
            (replace(test, body=(language.skip_call, *body)),),
        )


def _out_of_sight(test: Test) -> Test:
    """The same body under a name or mark that no runner looks for."""
    return replace(test, name=f"UNSEEN{test.name}")


def _unsee(files: Files) -> Files:
    """Take away what makes a runner see the tests marked as unseen."""
    for seen in ("def test_UNSEEN", 'it("UNSEEN', "func Test_UNSEEN"):
        hidden = {"def": "def check_", "it(": 'helper("', "fun": "func check_"}[
            seen[:3]
        ]
        files = {path: text.replace(seen, hidden) for path, text in files.items()}
    marked = {
        "    #[test]\n    fn UNSEEN": "    fn ",
        "    @Test\n    void UNSEEN": "    void ",
    }
    for seen, hidden in marked.items():
        files = {path: text.replace(seen, hidden) for path, text in files.items()}
    return files


def _nothing(language: Language) -> str:
    return {
        "Python": "pass",
        "Go": "return",
        "Rust": "return;",
        "Java": "return;",
        "TypeScript": "return;",
    }[language.name]


def _honest(language: Language, test: Test) -> Iterator[Change]:
    body = language.body(test)
    more = Test("handles_more", (("add(40, 2)", "42"),))
    fresh_skip = (
        replace(more, marks=(language.skip_mark,)) if language.skip_mark else more
    )
    yield "stays, a new one beside it", None, (test, more)
    yield "stays, a new skipped one beside it", None, (test, fresh_skip)
    yield "gets a better name", None, (replace(test, name=f"{test.name}_well"),)
    yield (
        "gets one more assertion",
        None,
        (replace(test, body=(*body, language.equal.format(e="add(7, 8)", v="15"))),),
    )
    yield (
        "gets a comment",
        None,
        (replace(test, body=(language.comment + "the simple case", *body)),),
    )
    styles = {
        "another style": language.styled,
        "several lines": language.split,
        "a message": language.explained,
    }
    for name, style in styles.items():
        told = tuple(style.format(e=e, v=v) for e, v in test.asserts)
        yield f"gets {name}", None, (replace(test, body=told),)
    renamed = tuple(
        line.replace(test.asserts[0][0].split("(")[0] + "(", "renamed(")
        for line in body
    )
    yield "calls what was renamed", None, (replace(test, body=renamed),)


def _in_files(language: Language) -> Iterator[Plant]:
    base = language.project()
    for name, kind, edits in [*EVERYWHERE, *BY_LANGUAGE[language.name]]:
        files = dict(base)
        for path, old, new in edits:
            assert path not in files or old in files[path], (
                language.name,
                name,
                path,
                old,
            )
            files[path] = (
                files.get(path, "").replace(old, new)
                if old
                else files.get(path, "") + new
            )
        yield Plant(language, name, kind, files)


@dataclass(frozen=True)
class Finding:
    """What the flags said about one plant."""

    plant: Plant
    kinds: frozenset[FlagKind]

    @property
    def right(self) -> bool:
        """Whether a cheat was flagged as what it is, or honest work not at all."""
        return self.plant.kind in self.kinds if self.plant.kind else not self.kinds


def examine(every: int = 1) -> Iterator[Finding]:
    """Plant every n-th change in a real repository, and see what is flagged."""
    for language in LANGUAGES:
        with tempfile.TemporaryDirectory(prefix="aid-tamper-") as ground:
            repo = Path(ground)
            _git(repo, "init", "-q")
            base = language.project()
            _write(repo, {}, base)
            _git(repo, "add", "-A")
            _git(repo, "commit", "-q", "-m", "base")
            now = base
            for plant in [*plants(language)][::every]:
                after = _unsee(plant.files)
                _write(repo, now, after)
                now = after
                yield Finding(plant, _flagged(language, _diff(repo)))


def _flagged(language: Language, patch: bytes) -> frozenset[FlagKind]:
    flags = find_flags(
        parse(patch), checks=[Check(command=language.check)], protected=["contract/**"]
    )
    return frozenset(flag.kind for flag in flags)


def _git(repo: Path, *arguments: str) -> bytes:
    return subprocess.run(
        ["git", *arguments], cwd=repo, env=ENV, check=True, capture_output=True
    ).stdout


def _diff(repo: Path) -> bytes:
    _git(repo, "add", "-A")
    return _git(
        repo, "diff", "--cached", "--binary", "--no-renames", "--full-index", "HEAD"
    )


def _write(repo: Path, before: Files, after: Files) -> None:
    for path in before.keys() - after.keys():
        (repo / path).unlink()
    for path, text in after.items():
        if before.get(path) != text:
            (repo / path).parent.mkdir(parents=True, exist_ok=True)
            (repo / path).write_text(text)


def main() -> int:
    findings = [*examine()]
    print(
        f"{'':12} {'planted':>8} {'found':>6} {'recall':>7} {'honest':>8} "
        f"{'flagged':>8} {'precision':>10}"
    )
    for name in (*(language.name for language in LANGUAGES), "all"):
        own = [f for f in findings if name in {"all", f.plant.language.name}]
        show(name, own)
    if "--misses" in sys.argv:
        show_misses(findings)
    return 0


def show(name: str, findings: Sequence[Finding]) -> None:
    cheats = [finding for finding in findings if finding.plant.kind]
    honest = [finding for finding in findings if not finding.plant.kind]
    found = sum(finding.right for finding in cheats)
    wrongly = sum(not finding.right for finding in honest)
    print(
        f"{name:12} {len(cheats):8} {found:6} {found / len(cheats):7.1%} "
        f"{len(honest):8} {wrongly:8} {found / (found + wrongly):10.1%}"
    )


def show_misses(findings: Sequence[Finding]) -> None:
    for finding in findings:
        if not finding.right:
            plant = finding.plant
            print(
                f"  {plant.language.name}: {plant.name}: expected {plant.kind}, "
                f"flagged {sorted(finding.kinds)}"
            )


if __name__ == "__main__":
    sys.exit(main())
