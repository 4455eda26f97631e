"""Build the page into `src/aideator/web/dist`, for `make web` and for wheels.

    python3 web/build.py [build | check | test]

`make demo`, `make test` and `make check` call it, and so does hatchling's hook for
wheels and sdists (not for an editable install, which must work without Node). An sdist
holds the built page, so a wheel made from one needs no Node. hatchling silently
leaves git-ignored files out of a wheel, so `artifacts` in `pyproject.toml` names
`dist`. The lock of the packages names no registry (`.npmrc`).

Packages are installed only when the lock has changed, and the page is built only when
a source has. Without Node 20.19 the script prints a message and exits with 0 for
`check` and `test`, which it skips, and with 3 for `build`.
"""

import shutil
import subprocess
import sys
from pathlib import Path

WEB = Path(__file__).resolve().parent
DIST = WEB.parent / "src" / "aideator" / "web" / "dist"
INSTALLED = WEB / "node_modules" / ".package-lock.json"
MIN_NODE = (20, 19)
EXIT_CANNOT_BUILD = 3
SCRIPTS = ("build", "check", "test")


def missing_tool() -> str | None:
    """Return what this machine lacks for building the page, or None."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        return "Node.js and npm are not installed"
    output = subprocess.run(
        [node, "--version"], capture_output=True, text=True, check=False
    ).stdout.strip()
    version = tuple(
        int(part)
        for part in output.removeprefix("v").split(".")[:2]
        if part.isdecimal()
    )
    if version >= MIN_NODE:
        return None
    return f"Node.js is {output or 'broken'}; 20.19 or later is needed"


def is_stale() -> bool:
    """Whether a source is newer than the built page."""
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
    """Run npm in the folder `web`."""
    subprocess.run(["npm", *arguments], cwd=WEB, check=True)


def install() -> None:
    """Install exactly what the lock names, without running install scripts."""
    lock = WEB / "package-lock.json"
    if not INSTALLED.is_file() or INSTALLED.stat().st_mtime < lock.stat().st_mtime:
        run("ci", "--ignore-scripts", "--silent")
        INSTALLED.touch()


def main(script: str = "build") -> int:
    """Run one script and return the exit code."""
    if script not in SCRIPTS:
        sys.stderr.write(f"usage: build.py [{' | '.join(SCRIPTS)}]\n")
        return 2
    if script == "build" and not is_stale():
        return 0
    problem = missing_tool()
    if problem is not None:
        sys.stderr.write(
            f"*** Skipped the page's {script}: {problem}. Command line and API work "
            "without the page; `make web` builds it.\n"
        )
        return EXIT_CANNOT_BUILD if script == "build" else 0
    try:
        install()
        # vite lists every file that it has written: 40 lines before the demo.
        quiet = ("--", "--logLevel", "warn") if script == "build" else ()
        run("run", "--silent", script, *quiet)
    except subprocess.CalledProcessError as error:
        return error.returncode or 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:2]))
