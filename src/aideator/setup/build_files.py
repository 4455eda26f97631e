"""The kinds of projects that a file in the root tells, one row each."""

import re
from dataclasses import dataclass
from pathlib import Path

from aideator.setup.files import has_target, names, read_text


@dataclass(frozen=True)
class Kind:
    """One kind of project."""

    name: str
    file: str
    """A regular expression for the name of the file that tells it."""
    command: str = ""
    """What tests it; empty where that is not known."""
    says: str = ""
    """What has to stand in that file, as a regular expression; empty for nothing."""
    wrapper: str = ""
    """A script of the root that calls the command's program in the right version."""
    setup: tuple[str, ...] = ()
    """What installs its dependencies."""
    folder: str = ""
    """A folder that must hold the file, instead of the root."""
    is_secondary: bool = False
    """Whether it counts only where nothing else is seen: many projects in other
    languages have such a file as well."""


KINDS = (
    Kind("Go", r"go\.mod", "go test ./..."),
    Kind("Cargo", r"Cargo\.toml", "cargo test"),
    Kind("Maven", r"pom\.xml", "mvn -q test", wrapper="mvnw"),
    Kind("Gradle", r"build\.gradle(\.kts)?", "gradle test", wrapper="gradlew"),
    Kind(
        "sbt",
        r"build\.sbt",
        "sbt -batch test",
        setup=("sbt -batch Test/compile",),
    ),
    Kind(
        "RSpec",
        r"spec_helper\.rb|\w+_spec\.rb",
        "bundle exec rspec",
        setup=("bundle install",),
        folder="spec",
    ),
    Kind(
        "minitest",
        r"Rakefile",
        "bundle exec rake test",
        says=r"TestTask|Minitest::|Rails\.application\.load_tasks",
        setup=("bundle install",),
    ),
    Kind(
        "Pest",
        r"Pest\.php",
        "vendor/bin/pest",
        setup=("composer install --no-interaction",),
        folder="tests",
    ),
    Kind(
        "PHPUnit",
        r"phpunit\.xml(\.dist)?",
        "vendor/bin/phpunit",
        setup=("composer install --no-interaction",),
    ),
    Kind(
        "dotnet test",
        r"[\w.-]+\.(sln|slnx|csproj|fsproj)",
        "dotnet test",
        setup=("dotnet restore", "dotnet build --no-restore || true"),
    ),
    Kind(
        "ExUnit",
        r"mix\.exs",
        "mix test",
        setup=("mix local.hex --force", "mix deps.get"),
    ),
    Kind("SwiftPM", r"Package\.swift", "swift test", says=r"testTarget"),
    Kind(
        "CMake",
        r"CMakeLists\.txt",
        "cmake -S . -B build && cmake --build build && ctest --test-dir build",
        says=r"(?i)\b(enable_testing|add_test|include\s*\(\s*CTest)\b",
        is_secondary=True,
    ),
    Kind(
        "Meson",
        r"meson\.build",
        "meson setup build && meson test -C build",
        says=r"\btest\s*\(|subdir\s*\(\s*'tests?'",
        is_secondary=True,
    ),
    Kind("autotools", r"configure", "./configure && make check", is_secondary=True),
    Kind(
        "autotools",
        r"configure\.ac",
        "autoreconf -i && ./configure && make check",
        is_secondary=True,
    ),
    Kind(
        "Bazel",
        r"MODULE\.bazel|WORKSPACE(\.bazel)?",
        "bazel test //...",
        is_secondary=True,
    ),
    Kind(
        "Deno",
        r"deno\.jsonc?",
        "deno test -A",
        setup=("deno install",),
        is_secondary=True,
    ),
    Kind("bats", r"\w[\w.-]*\.bats", "bats test", folder="test", is_secondary=True),
    Kind("bats", r"\w[\w.-]*\.bats", "bats tests", folder="tests", is_secondary=True),
    Kind("prove", r"\w[\w.-]*\.t", "prove -l -r t", folder="t", is_secondary=True),
    Kind("Dart", r"pubspec\.yaml", "dart test", says=r"^\s+test:", is_secondary=True),
    Kind("Zig", r"build\.zig", "zig build test", is_secondary=True),
    Kind("Julia", r"runtests\.jl", "", folder="test"),
    Kind("Haskell", r"stack\.yaml|[\w-]+\.cabal", ""),
    Kind("R", r"DESCRIPTION", "", says=r"^Package:"),
    Kind("Conda", r"environment\.ya?ml", "", says=r"^(dependencies|channels):"),
    Kind("Nix", r"flake\.nix|default\.nix", ""),
    Kind("Elm", r"elm\.json", ""),
    Kind("Clojure", r"project\.clj|deps\.edn", ""),
    Kind("Erlang", r"rebar\.config", ""),
    Kind("OCaml", r"dune-project", ""),
    Kind("Crystal", r"shard\.yml", ""),
    Kind("Lua", r"\.busted|[\w.-]+\.rockspec", ""),
)
_RECIPES = (
    Kind("Just", r"\.?[jJ]ustfile", "just test", says=r"^test(\s.*)?:(?!=)"),
    Kind("Task", r"[tT]askfile\.ya?ml", "task test", says=r"^  ['\"]?test['\"]?:"),
)
"""Commands for people, which often install something first: the last resort."""


def kinds_of(root: Path) -> list[Kind]:
    """Return the kinds that a project's root shows, one of each name."""
    found = [kind for kind in KINDS if _is_seen(kind, root)]
    by_name: dict[str, Kind] = {}
    for kind in found:
        by_name.setdefault(kind.name, kind)
    if "Pest" in by_name:
        by_name.pop("PHPUnit", None)
    return list(by_name.values())


def command_of(kind: Kind, root: Path) -> str:
    """Return the command that tests a project of a kind; empty if that is unknown."""
    if kind.wrapper and names(root, kind.wrapper):
        program, _, rest = kind.command.partition(" ")
        return f"sh ./{kind.wrapper} {rest}" if program else ""
    return kind.command


def recipe(root: Path) -> str:
    """Return the command of a recipe that is called `test`; empty for none."""
    if has_target(root, "test"):
        return "make test"
    for kind in _RECIPES:
        if _is_seen(kind, root):
            return kind.command
    return "make check" if has_target(root, "check") else ""


def _is_seen(kind: Kind, root: Path) -> bool:
    folder = root / kind.folder
    return any(
        re.search(kind.says, read_text(folder / name), re.MULTILINE)
        for name in names(folder, kind.file)
    )
