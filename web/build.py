"""Build the page into `src/aideator/web/dist`, for `make web` and for wheels.

    python3 web/build.py [build | check | test]

`make demo`, `make test` and `make check` call it, and so does hatchling's hook for
wheels and sdists (not for an editable install, which must work without Node). An sdist
holds the built page, so a wheel made from one needs no Node. hatchling leaves
git-ignored files out of a wheel without a word: `artifacts` in `pyproject.toml` names
`dist`. The lock of the packages names no registry (`.npmrc`).

Nothing is done twice: packages are installed when the lock has changed, the page is
built when a source has. A machine without Node 20 is told so, with exit code 0 for
`check` and `test` (they are left out) and 3 for `build`.
"""

import shutil
import subprocess
import sys
from pathlib import Path

WEB = Path(__file__).resolve().parent
DIST = WEB.parent / "src" / "aideator" / "web" / "dist"
INSTALLED = WEB / "node_modules" / ".package-lock.json"
LEAST_NODE = (20, 19)
CANNOT = 3
SCRIPTS = ("build", "check", "test")


def missing() -> str | None:
    """What this machine lacks for building, in words; None when it can."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        return "Node.js and npm are not installed"
    told = subprocess.run(
        [node, "--version"], capture_output=True, text=True, check=False
    ).stdout.strip()
    version = tuple(
        int(part) for part in told.removeprefix("v").split(".")[:2] if part.isdecimal()
    )
    return (
        None
        if version >= LEAST_NODE
        else f"Node.js is {told or 'broken'}, and 20.19 is the least that will do"
    )


def is_stale() -> bool:
    """Whether a source is newer than what was built."""
    built = DIST / "index.html"
    if not built.is_file():
        return True
    sources = [
        WEB / name for name in ("index.html", "package-lock.json", "vite.config.ts")
    ]
    sources += [
        path for folder in ("src", "public") for path in (WEB / folder).rglob("*")
    ]
    return max(path.stat().st_mtime for path in sources) > built.stat().st_mtime


def run(*arguments: str) -> None:
    """Run npm in the folder of the page."""
    subprocess.run(["npm", *arguments], cwd=WEB, check=True)


def install() -> None:
    """Install exactly what the lock names. No package runs a script of its own."""
    lock = WEB / "package-lock.json"
    if not INSTALLED.is_file() or INSTALLED.stat().st_mtime < lock.stat().st_mtime:
        run("ci", "--ignore-scripts", "--silent")
        INSTALLED.touch()


def main(script: str = "build") -> int:
    """Do what was asked for, or say why it cannot be done."""
    if script not in SCRIPTS:
        sys.stderr.write(f"usage: build.py [{' | '.join(SCRIPTS)}]\n")
        return 2
    if script == "build" and not is_stale():
        return 0
    if problem := missing():
        what = (
            "the page is not built"
            if script == "build"
            else f"the page's {script} is left out"
        )
        sys.stderr.write(
            f"*** {what}: {problem}. Command line and API work without it; `make web` "
            "builds it.\n"
        )
        return CANNOT if script == "build" else 0
    try:
        install()
        run("run", "--silent", script)
    except subprocess.CalledProcessError as error:
        return error.returncode or 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:2]))
