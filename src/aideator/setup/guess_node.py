"""Guess how a package of npm's is tested: the steps of its test script as checks.

`npm test` is often a chain (`xo && ava && tsd`) with scripts before and after it. As
one command it has one exit code, which a linter may decide. So each step is a check of
its own, and linters are of the kind that is shown and never decides.
"""

import re
import shlex
from collections.abc import Iterator
from itertools import filterfalse
from pathlib import Path
from typing import Any, Literal

from aideator.domain.check import Check
from aideator.setup.files import names, package_json, read_text, walk

_NO_NPM_TEST = "no test specified"
"""What `npm init` writes for the test script."""
_OTHER_NAMES = (
    "test:unit", "test:node", "unit", "tests", "test-unit", "tests-only", "vitest",
    "jest", "mocha",
)  # fmt: skip
"""Names of scripts that test, where there is none called `test`."""
_MAX_DEPTH = 3
_Kind = Literal["test", "build", "lint", "types"]
_KINDS: tuple[tuple[_Kind, str], ...] = (
    (
        "lint",
        r"eslint|xo|standard|ts-standard|semistandard|prettier|biome|tslint|stylelint"
        r"|oxlint|markdownlint\S*|remark|publint|knip|depcheck|ls-lint|commitlint|cspell"
        r"|jshint|jscs|size-limit|npm audit|npx \S* ?audit|snyk|audit-ci|lockfile-lint"
        r"|in-publish|evalmd|eclint|(npm|yarn|pnpm)( run)? \S*(lint|format|audit)\S*",
    ),
    (
        "types",
        r"tsc .*--noEmit|tsd|flow( check)?|vue-tsc|attw|dtslint|tsd-check|type-coverage"
        r"|(npm|yarn|pnpm)( run)? \S*(types?|typecheck|type-check)\b\S*",
    ),
    (
        "build",
        r"tsc|rollup|webpack|vite build|esbuild|tsup|babel|microbundle|unbuild|parcel"
        r"|(npm|yarn|pnpm)( run)? \S*(build|compile|bundle)\S*",
    ),
)
_BROWSER = re.compile(
    r"(^|[\s/:])(karma|playwright|cypress|wdio|testcafe|nightwatch|testem|web-test-runner"
    r"|wtr)(\s|$)|test:(browser|e2e)|--browser"
)
"""Runners that need a browser."""
_SHELL = re.compile(r"[|<>`()#\n;&]|\$\(")
_NO_SHELL = re.compile(r"&&|'[^']*'|\"[^\"$`]*\"")
"""Parts in which those characters mean nothing, and the one that makes a chain."""
_ASSIGNMENTS = re.compile(r"^((?:[A-Z_][A-Z0-9_]*=\S*\s+)*)(.+)$", re.DOTALL)
_NO_BINARY = {
    "node", "npm", "npx", "yarn", "pnpm", "bun", "deno", "make", "sh", "bash", "echo",
    "python", "python3", "true", "exit", "cd", "cargo", "go", "rm", "cp", "mkdir",
}  # fmt: skip


def guess_node(root: Path) -> tuple[Check, ...]:
    """Return the checks of a package; none if nothing tests it."""
    scripts = _scripts(root)
    test = scripts.get("test", "")
    if not test or _NO_NPM_TEST in test:
        return _without_script(root, scripts)
    if _uses_plug_and_play(root):
        return (Check(command="yarn test"),)
    unique = {check.command: check for check in _of_script(scripts)}
    return tuple(unique.values())


def _of_script(scripts: dict[str, str]) -> Iterator[Check]:
    """Yield the checks of the test script and its hooks that need no browser."""
    steps = [*_steps(scripts, "test", _MAX_DEPTH)]
    if all(map(_BROWSER.search, steps)):
        return
    if len(steps) == 1 and not {"pretest", "posttest"}.intersection(scripts):
        yield Check(command="npm test")
        return
    checks = _of_hook(scripts, "pretest")
    checks += map(_check, steps)
    checks += _of_hook(scripts, "posttest", kind="lint")
    yield from filterfalse(_needs_browser, checks)


def _of_hook(
    scripts: dict[str, str], name: str, kind: _Kind | None = None
) -> list[Check]:
    return [_check(step, kind) for step in _steps(scripts, name, _MAX_DEPTH)]


def notes_on_node(root: Path) -> list[str]:
    """Return what is seen of a package's tests and cannot be run here."""
    scripts = _scripts(root)
    steps = [*_steps(scripts, "test", _MAX_DEPTH)] or [scripts.get("test", "")]
    return [
        f"`{step}` of package.json needs a browser, which sandboxes do not have"
        for step in steps
        if _BROWSER.search(step)
    ]


def _scripts(root: Path) -> dict[str, str]:
    found: Any = package_json(root).get("scripts")
    listed = found.items() if isinstance(found, dict) else ()
    return {name: text for name, text in listed if isinstance(text, str)}


def _without_script(root: Path, scripts: dict[str, str]) -> tuple[Check, ...]:
    for name in _OTHER_NAMES:
        if scripts.get(name) and not _BROWSER.search(scripts[name]):
            return (Check(command=f"npm run {name}"),)
    if names(root, r"bun\.lockb?") and walk(root, r".*[._](test|spec)\.[jt]sx?"):
        return (Check(command="bun test"),)
    return ()


def _steps(scripts: dict[str, str], name: str, depth: int) -> Iterator[str]:
    """Yield the steps of a script, those of scripts that it calls among them.

    A script that is more than a chain of simple commands is one step.
    """
    text = scripts.get(name, "").strip()
    if _SHELL.search(_NO_SHELL.sub("", text)) or not _is_quoted_well(text):
        yield f"npm run {name}"
        return
    for step in filter(None, map(str.strip, text.split("&&"))):
        called = _RUN_SCRIPT.fullmatch(step)
        if called and depth and "&&" in scripts.get(called[1], ""):
            yield from _steps(scripts, called[1], depth - 1)
        else:
            yield step


_RUN_SCRIPT = re.compile(r"(?:npm|yarn|pnpm) run(?: -s| --silent)? ([\w:.-]+)")


def _is_quoted_well(text: str) -> bool:
    try:
        shlex.split(text)
    except ValueError:
        return False
    # A chain inside quotes is none of the shell's.
    return all("&&" not in each or each == "&&" for each in shlex.split(text))


def _check(step: str, kind: _Kind | None = None) -> Check:
    """Return a step as a check; programs of packages are called as npm would."""
    assigned, command = _ASSIGNMENTS.sub(r"\1", step), _ASSIGNMENTS.sub(r"\2", step)
    program = command.split()[0]
    if program not in _NO_BINARY and "/" not in program:
        command = f"npx --no-install {command}"
    return Check(command=f"{assigned}{command}", kind=kind or _kind_of(step))


def _kind_of(step: str) -> _Kind:
    command = re.sub(r"^(cross-env )?([A-Z_]+=\S* )*", "", step)
    for kind, pattern in _KINDS:
        if re.match(rf"({pattern})(\s|$)", command):
            return kind
    return "lint" if re.match(r"node \S*lint\S*", command) else "test"


def _needs_browser(check: Check) -> bool:
    return bool(_BROWSER.search(check.command))


def _uses_plug_and_play(root: Path) -> bool:
    """Return whether Yarn's Plug'n'Play is on: only Yarn finds the packages then.

    There is no `node_modules` in that case.
    """
    linker = re.search(
        r"^nodeLinker: *[\"']?([\w-]+)", read_text(root / ".yarnrc.yml"), re.MULTILINE
    )
    return is_yarn_modern(root) and (linker is None or linker[1] == "pnp")


def is_yarn_modern(root: Path) -> bool:
    """Return whether the lock file was written by Yarn 2 or later."""
    return "__metadata:" in read_text(root / "yarn.lock")
