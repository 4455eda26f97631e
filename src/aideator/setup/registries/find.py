"""Find the registries that a project needs."""

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from enum import StrEnum
from pathlib import Path

from aideator.setup.files import names
from aideator.setup.registries.base import Registry
from aideator.setup.registries.go import go_registries
from aideator.setup.registries.java import gradle_registries, maven_registries
from aideator.setup.registries.node import node_registries
from aideator.setup.registries.python import python_registries
from aideator.setup.registries.rust import rust_registries


class Ecosystem(StrEnum):
    """A language's packages, which share registries."""

    PYTHON = "Python"
    NODE = "Node"
    GO = "Go"
    RUST = "Rust"
    MAVEN = "Maven"
    GRADLE = "Gradle"


_FILES = {
    Ecosystem.PYTHON: (
        r"(uv|poetry)\.lock|pyproject\.toml|setup\.(py|cfg)|requirements\b.*|"
        r"(dev|test)[-_]requirements\.txt|tox\.ini|Pipfile(\.lock)?|pytest\.ini"
    ),
    Ecosystem.NODE: r"package\.json",
    Ecosystem.GO: r"go\.(mod|work)",
    Ecosystem.RUST: r"Cargo\.toml",
    Ecosystem.MAVEN: r"pom\.xml",
    Ecosystem.GRADLE: r"(build|settings)\.gradle(\.kts)?",
}
_PROGRAMS = {
    Ecosystem.PYTHON: r"python3?|pip3?|uv|uvx|poetry|pipx?|pipenv|pdm|hatch|tox|nox",
    Ecosystem.NODE: r"npm|npx|pnpm|yarn|bun|corepack",
    Ecosystem.GO: "go",
    Ecosystem.RUST: "cargo",
    Ecosystem.MAVEN: "mvn|mvnw",
    Ecosystem.GRADLE: "gradle|gradlew",
}
_ASKED: Mapping[Ecosystem, Callable[[], list[Registry]]] = {
    Ecosystem.PYTHON: python_registries,
    Ecosystem.NODE: node_registries,
    Ecosystem.GO: go_registries,
    Ecosystem.RUST: rust_registries,
    Ecosystem.MAVEN: maven_registries,
    Ecosystem.GRADLE: gradle_registries,
}


def needed_ecosystems(root: Path, commands: Iterable[str]) -> frozenset[Ecosystem]:
    """Return the ecosystems that a project's files or its set-up commands name.

    Args:
        root: The base commit's files. Nothing is executed and no link is followed.
        commands: The commands of set-up.
    """
    text = "\n".join(commands)
    return frozenset(
        each
        for each in Ecosystem
        if names(root, _FILES[each])
        or re.search(rf"(?<![\w.-])(?:{_PROGRAMS[each]})(?![\w-])", text)
    )


def find_registries(needed: Collection[Ecosystem]) -> tuple[Registry, ...]:
    """Ask this machine's package managers for their registries.

    Blocks, for up to some seconds: call it in a thread.
    """
    found: list[Registry] = []
    for each in Ecosystem:
        if each in needed:
            found += _ASKED[each]()
    return tuple(found)
