"""The documents: what they name exists, what they show works."""

import json
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest
import typer
import yaml
from typer.core import TyperGroup

from aideator.cli.app import app
from aideator.domain.events import Event, EventBody, EventBodyAdapter
from aideator.domain.run import RunSpec

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
SOURCE = ROOT / "src" / "aideator"

each_page = pytest.mark.parametrize(
    "page", PAGES, ids=lambda page: str(page.relative_to(ROOT))
)


def anchors(page: Path) -> set[str]:
    """The headings of a page as a forge links to them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {
        re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        for heading in headings
    }


def blocks(page: Path, language: str) -> list[str]:
    """The fenced blocks of one language."""
    return re.findall(
        rf"^```{language}\n(.*?)^```",
        page.read_text(encoding="utf-8"),
        re.DOTALL | re.MULTILINE,
    )


@each_page
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if target.startswith(("http://", "https://")):
            continue
        path, _, anchor = target.partition("#")
        found = (page.parent / path).resolve() if path else page
        assert found.exists(), target
        assert found.is_relative_to(ROOT), target
        assert not anchor or anchor in anchors(found), target


@each_page
def test_every_file_and_test_that_is_named_exists(page: Path) -> None:
    named = re.findall(
        r"`((?:src|tests|tools|docs|bench)/[\w./-]+)(?:::(\w+))?`",
        page.read_text(encoding="utf-8"),
    )
    for path, test in named:
        assert (ROOT / path).exists(), path
        assert not test or re.search(
            rf"def {test}\(", (ROOT / path).read_text(encoding="utf-8")
        ), test


RECORDS = sorted((ROOT / "docs" / "decisions").glob("0*.md"))
each_record = pytest.mark.parametrize("record", RECORDS, ids=lambda path: path.stem)


@each_record
def test_a_decision_record_has_a_status_and_alternatives(record: Path) -> None:
    text = record.read_text(encoding="utf-8")
    status = r"Status: (accepted|superseded by \[\d{4}\])"
    assert re.match(rf"# {record.name[:4]} \S.*\n\n{status}", text)
    headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
    expected = ["Context", "Decision", "Alternatives considered", "Consequences"]
    assert headings == expected
    assert len(text.splitlines()) <= 60, "one screen"


@each_record
def test_every_module_that_a_decision_record_names_exists(record: Path) -> None:
    text = record.read_text(encoding="utf-8")
    for path in re.findall(r"`((?:[\w.-]+/)+[\w-]+\.\w+)`", text):
        assert (ROOT / path).exists() or (SOURCE / path).exists(), path


def test_the_index_of_decisions_accounts_for_every_number() -> None:
    index = (ROOT / "docs" / "decisions" / "README.md").read_text(encoding="utf-8")
    subjects, without = index.split("## By subject")[1].split("## Numbers without")
    linked = set(re.findall(r"\]\((\d{4}-[\w-]+\.md)\)", subjects))
    assert linked == {record.name for record in RECORDS}
    last = int(RECORDS[-1].name[:4])
    numbers = {record.name[:4] for record in RECORDS}
    gone = {f"{number:04}" for number in range(1, last + 1)} - numbers
    assert gone == set(re.findall(r"\b\d{4}\b", without)) - numbers - {"2026"}


def test_the_architecture_names_every_package_and_only_files_that_exist() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    packages = {path.parent.name for path in SOURCE.glob("*/__init__.py")}
    assert packages - set(re.findall(r"\w+", text)) == set()
    files = re.findall(r"`((?:\w+/)*\w+\.py)`", text)
    missing = [file for file in files if not any(SOURCE.rglob(file))]
    tools = {path.name for path in (ROOT / "tools").glob("*.py")}
    assert {file for file in missing if file.rpartition("/")[2] not in tools} == set()


def test_the_architecture_shows_the_layers_that_are_enforced() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))[
        "tool"
    ]["importlinter"]["contracts"]
    (layers,) = (
        contract["layers"] for contract in contracts if contract["type"] == "layers"
    )
    (shown,) = blocks(ROOT / "ARCHITECTURE.md", "layers")
    assert " ".join(shown.split()) == " > ".join(layers)


def commands(page: Path) -> Iterator[list[str]]:
    """Return every `aideator …` command that a page shows."""
    text = page.read_text(encoding="utf-8")
    inline = re.findall(r"(?<!`)`((?:[A-Z_]+=\S+ )?aideator [^`]+)`(?!`)", text)
    shown = re.findall(r"^(?:\$|#) ((?:[A-Z_]+=\S+ )?aideator .+)$", text, re.MULTILINE)
    for line in [*inline, *shown]:
        words = shlex.split(line, comments=True)
        while words[0] != "aideator":
            words.pop(0)
        end = next(
            (place for place, word in enumerate(words) if word in {"|", ">", "&&"}),
            len(words),
        )
        yield words[1:end]


def parse(words: list[str]) -> None:
    """Parse a command line as `aideator` would, without running it.

    Raises what it would complain about.

    A command without arguments is only named, not shown.
    """
    command = typer.main.get_command(app)
    while isinstance(command, TyperGroup) and words and not words[0].startswith("-"):
        command, words = command.commands[words[0]], words[1:]
    if words and words != ["--help"]:
        command.make_context(
            command.name, words, resilient_parsing="--version" in words
        )


@each_page
def test_every_command_that_is_shown_parses(page: Path) -> None:
    for words in commands(page):
        if "[OPTIONS]" not in words:  # typer's own usage lines
            parse(words)


def test_a_command_that_does_not_exist_would_be_noticed() -> None:
    with pytest.raises(KeyError):
        parse(["deploy", "3f2a91c0"])
    with pytest.raises(Exception, match="No such option: --colour"):
        parse(["list", "--colour"])


@each_page
def test_every_example_in_json_is_json(page: Path) -> None:
    for block in blocks(page, "json"):
        found = json.loads(block)
        if {
            "repo_url",
            "github_url",
        } & found.keys() and "kind" not in found:  # events have a test of their own
            RunSpec.model_validate(found)


def test_every_event_in_the_reference_is_one() -> None:
    whole, *bodies = blocks(ROOT / "docs" / "reference" / "events.md", "json")
    assert Event.model_validate_json(whole).seq == 7
    kinds = [EventBodyAdapter.validate_json(body).kind for body in bodies]
    assert kinds == re.findall(
        r"^## `(\w+)`$", (ROOT / "docs/reference/events.md").read_text(), re.MULTILINE
    )
    assert kinds == [
        kind.model_fields["kind"].default for kind in get_args(get_args(EventBody)[0])
    ]


def test_the_submissions_in_the_readme_are_valid() -> None:
    readme = ROOT / "README.md"
    (in_yaml,) = (
        RunSpec.model_validate(yaml.safe_load(block))
        for block in blocks(readme, "yaml")
    )
    assert in_yaml.variations == 2
    (posted,) = re.findall(r"-d '(\{.*\})'", readme.read_text(encoding="utf-8"))
    assert RunSpec.model_validate_json(posted).variations == 3


@pytest.mark.parametrize(
    "picture",
    sorted((ROOT / "docs" / "pictures").glob("*.svg")),
    ids=lambda path: path.name,
)
def test_a_picture_fetches_nothing_and_runs_nothing(picture: Path) -> None:
    drawn = picture.read_text(encoding="utf-8")
    assert not re.search(
        r"@font-face|@import|<script|<image|url\((?!#)|href=|\son\w+=", drawn
    )


def check_generated(root: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "tools/check_generated.py"],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_generated_pages_are_in_step_with_the_code() -> None:
    done = check_generated(ROOT)
    assert done.returncode == 0, done.stderr


def test_a_generated_page_that_somebody_edited_is_refused(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "tools", tmp_path / "tools")
    shutil.copytree(ROOT / "docs" / "reference", tmp_path / "docs" / "reference")
    shutil.copytree(ROOT / "web" / "src" / "api", tmp_path / "web" / "src" / "api")
    for name in (
        ".env.example",
        "aideator.cdx.json",
        "requirements.lock",
        "src/aideator/client/blocking.py",
        "src/aideator/client/remote.py",
        "web/package-lock.json",
        "web/src/ui/characters.gen.ts",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    assert check_generated(tmp_path).returncode == 0
    page = tmp_path / "docs" / "reference" / "settings.md"
    page.write_text(
        page.read_text(encoding="utf-8").replace("`2000`", "`3000`"), encoding="utf-8"
    )
    done = check_generated(tmp_path)
    assert done.returncode == 1
    assert done.stderr == (
        "docs/reference/settings.md is out of step with the code; run: python "
        "tools/render_docs.py\n"
    )
