"""The wheel alone, in an empty environment without Node, serves the page."""

import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from aideator.web import load
from tests.conftest import PATIENCE

ROOT = Path(__file__).parents[2]
UV = shutil.which("uv") or str(Path(sys.executable).with_name("uv"))

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not Path(UV).is_file(), reason="no uv to build and install with"
    ),
    pytest.mark.skipif(
        shutil.which("npm") is None, reason="no npm to build the page with"
    ),
]


def uv(*arguments: str | Path) -> None:
    done = subprocess.run(
        [UV, *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if re.search(
        r"dns error|Could not connect|Connection refused|Network is unreachable",
        done.stderr,
    ):
        pytest.skip("the package registry cannot be reached")
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    uv("build", "--quiet", "--wheel", "--out-dir", folder, ROOT)
    return next(folder.glob("*.whl"))


@pytest.fixture
def served(wheel: Path, home: Path) -> Iterator[str]:
    """The address of a server that was started from the installed wheel."""
    venv = home / "venv"
    uv("venv", "--quiet", "--python", sys.executable, venv)
    python = venv / "bin" / "python"
    uv(
        "pip",
        "install",
        "--quiet",
        "--python",
        python,
        "--require-hashes",
        "-r",
        "requirements.lock",
    )
    uv("pip", "install", "--quiet", "--python", python, "--no-deps", wheel)
    process = subprocess.Popen(
        [venv / "bin" / "aideator", "serve", "--port", "0"],
        cwd=home,
        env={
            "PATH": f"{venv}/bin:/usr/bin:/bin",
            "HOME": str(home),
            "AIDEATOR_HOME": str(home / "state"),
        },
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    line = next(line for line in process.stderr if "serves http" in line)
    yield line.split("serves ")[1].split()[0]
    process.terminate()
    process.communicate(timeout=PATIENCE)


def test_the_wheel_holds_the_page_and_its_licences(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert "aideator/web/dist/index.html" in names
    assert any(
        name.startswith("aideator/web/dist/assets/") and name.endswith(".js.gz")
        for name in names
    )
    assert {
        "aideator/web/dist/licenses.md",
        "aideator/web/dist/ibm-plex-license.txt",
    } <= set(names)
    assert not any("node_modules" in name for name in names)


def test_the_wheel_alone_serves_the_page(served: str) -> None:
    html = {"Accept": "text/html"}
    page = httpx2.get(f"{served}/", headers=html)
    assert page.status_code == 200
    (script,) = re.findall(r'<script type="module"[^>]* src="([^"]+)"', page.text)
    assert (
        httpx2.get(served + script)
        .headers["content-type"]
        .startswith("text/javascript")
    )
    assert httpx2.get(f"{served}/runs/x", headers=html).text == page.text
    missing = httpx2.get(f"{served}/api/v1/nope", headers=html)
    assert (missing.status_code, missing.headers["content-type"]) == (
        404,
        "application/problem+json",
    )


def test_where_the_page_was_not_built_there_are_no_files(tmp_path: Path) -> None:
    assert load(tmp_path) == {}


@pytest.mark.parametrize("script", ["build", "check", "test"])
def test_a_machine_without_node_is_told_so(tmp_path: Path, script: str) -> None:
    for name in ("web/build.py", "web/package-lock.json"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    done = subprocess.run(
        [sys.executable, tmp_path / "web" / "build.py", script],
        env={"PATH": str(tmp_path)}
        | {k: v for k, v in os.environ.items() if k == "LD_LIBRARY_PATH"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == (3 if script == "build" else 0)
    assert "Node.js and npm are not installed" in done.stderr
