"""A release can be built again bit for bit, and says what is in it."""

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.conftest import git

ROOT = Path(__file__).parents[2]
RELEASE = ROOT / ".venv" / "release"
PIP_AUDIT = json.dumps(
    {
        "dependencies": [
            {"name": "a", "version": "1", "vulns": [{"id": "PYSEC-2026-1"}]},
            {"name": "b", "version": "2", "vulns": []},
            {"name": "c", "skip_reason": "Dependency not found on PyPI"},
        ]
    }
)
CLEAN = PIP_AUDIT.replace('[{"id": "PYSEC-2026-1"}]', "[]")
UNKNOWN = json.dumps({"dependencies": [{"name": "c", "skip_reason": "not found"}]})
NPM = json.dumps({"vulnerabilities": {"x": {"range": "<2", "severity": "high"}}})
NPM_CLEAN = json.dumps({"vulnerabilities": {}})
OFFLINE = json.dumps({"error": {"summary": "request to the registry failed"}})


@pytest.fixture(scope="session")
def builder() -> Path:
    """The interpreter of the environment in which a release is built."""
    if shutil.which("npm") is None or not (ROOT / ".git").exists():
        pytest.skip("it needs npm and the git repository")
    done = subprocess.run(
        ["make", "--silent", ".venv/release/.done"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if re.search(r"dns error|[Cc]onnect|unreachable", done.stderr):
        pytest.skip("the package registry cannot be reached")
    assert done.returncode == 0, done.stderr
    return RELEASE / "bin" / "python"


def build(python: Path, root: Path, out: Path, **environment: str) -> dict[str, bytes]:
    done = subprocess.run(
        [python, root / "tools" / "release.py", "--out", out],
        env=os.environ | environment,
        umask=0o077 if environment else 0o022,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return {file.name: file.read_bytes() for file in out.iterdir()}


@pytest.mark.slow
def test_one_commit_makes_the_same_wheel_and_sdist_in_another_place(
    builder: Path, tmp_path: Path
) -> None:
    clone = tmp_path / "some" / "where" / "else"
    git(tmp_path, "clone", "--quiet", str(ROOT), str(clone))
    first = build(builder, ROOT, tmp_path / "one")
    second = build(builder, clone, tmp_path / "two", TZ="Asia/Tokyo", LANG="tr_TR")
    assert first.keys() == second.keys()
    assert len(first) == 2
    for name, data in first.items():
        assert data == second[name], name
    wheel = next(file for file in (tmp_path / "one").iterdir() if file.suffix == ".whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert "aideator/web/dist/index.html" in names
    assert any(name.endswith(".dist-info/sboms/aideator.cdx.json") for name in names)


def test_the_bill_of_materials_names_what_the_locks_name() -> None:
    document = json.loads((ROOT / "aideator.cdx.json").read_text())
    assert (document["bomFormat"], document["specVersion"]) == ("CycloneDX", "1.6")
    listed = {each["purl"] for each in document["components"]}
    assert len(listed) == len(document["components"])
    lock = (ROOT / "requirements.lock").read_text()
    locked = re.findall(r"^(\S+?)(?:\[\S+\])?==([^\s;]+)", lock, re.MULTILINE)
    assert {f"pkg:pypi/{name}@{version}" for name, version in locked} <= listed
    packages = json.loads((ROOT / "web" / "package-lock.json").read_text())["packages"]
    for name in packages[""]["dependencies"]:
        version = packages[f"node_modules/{name}"]["version"]
        assert f"pkg:npm/{name.replace('@', '%40')}@{version}" in listed
    for name in packages[""]["devDependencies"]:
        if packages[f"node_modules/{name}"].get("dev"):
            assert not any(f"/{name.replace('@', '%40')}@" in each for each in listed)


def audit(folder: Path, reports: dict[str, str], *arguments: str) -> tuple[int, str]:
    """Run the audit beside auditors that print these reports."""
    for name in ("python", "pip-audit", "npm"):
        program = folder / name
        report = folder / f"{name}.json"
        report.write_text(reports.get(name, ""))
        program.write_text(f'#!/bin/sh\ncat "{report}"\necho no route to host >&2\n')
        program.chmod(0o755)
    python = folder / "python"
    python.unlink()
    python.symlink_to(sys.executable)
    done = subprocess.run(
        [python, ROOT / "tools" / "audit.py", *arguments],
        env=os.environ | {"PATH": f"{folder}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    return done.returncode, done.stdout


@pytest.mark.parametrize(
    ("pip_audit", "npm", "code", "said"),
    [
        (CLEAN, NPM_CLEAN, 0, "pip-audit: no known vulnerabilities"),
        (PIP_AUDIT, NPM_CLEAN, 1, "a 1: PYSEC-2026-1"),
        (CLEAN, NPM, 1, "x <2: high"),
        ("", OFFLINE, 0, "pip-audit: skipped, as it could not ask: no route to host"),
        (UNKNOWN, NPM_CLEAN, 0, "pip-audit: skipped, as it could not ask"),
        ("", NPM, 1, "npm audit: 1 known vulnerabilities"),
    ],
)
def test_an_audit_fails_for_what_it_finds_and_says_what_it_could_not_ask(
    pip_audit: str, npm: str, code: int, said: str, tmp_path: Path
) -> None:
    found = audit(tmp_path, {"pip-audit": pip_audit, "npm": npm})
    assert found[0] == code
    assert said in found[1]


def test_a_strict_audit_fails_when_it_could_not_ask(tmp_path: Path) -> None:
    reports = {"pip-audit": "", "npm": OFFLINE}
    assert audit(tmp_path, reports, "--strict")[0] == 1
