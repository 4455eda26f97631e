"""Build the wheel and the sdist of a commit, the same bits each time.

    make release            # of HEAD, into the folder `release`
    .venv/release/bin/python tools/release.py --commit v0.1.0 --out /tmp/again

Only what git has of the commit is built, in a new folder, with the date of the commit
as the time of every file (https://reproducible-builds.org/specs/source-date-epoch/) and
the build tools that the locks name. The wheel is made from the sdist. How to compare
two builds: docs/how-to/release.md.
"""

import argparse
import hashlib
import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
KEPT = ("PATH", "HOME", "LD_LIBRARY_PATH", "SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS")
"""Variables of the environment that a build may see, with those of PREFIXES."""
PREFIXES = ("npm_config_", "http_proxy", "https_proxy", "no_proxy")


def build(commit: str, out: Path) -> list[Path]:
    """Build a commit.

    Args:
        commit: Any name of it that git knows.
        out: Where the sdist and the wheel are put; it is made if it is not there.

    Returns:
        The sdist and the wheel.
    """
    out.mkdir(parents=True, exist_ok=True)
    os.umask(0o022)
    with tempfile.TemporaryDirectory(prefix="aideator-release-") as folder:
        tree = Path(folder, "tree")
        unpack(git("archive", "--format=tar", commit), tree)
        environment = build_environment(commit)
        sdist = hatchling("sdist", tree, out, environment)
        unpack(sdist.read_bytes(), Path(folder, "sdist"))
        (source,) = Path(folder, "sdist").iterdir()
        return [sdist, hatchling("wheel", source, out, environment)]


def build_environment(commit: str) -> dict[str, str]:
    """Return the variables of a build: few, and the same on every machine."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name in KEPT or name.lower().startswith(PREFIXES)
    }
    epoch = git("show", "--no-patch", "--format=%ct", f"{commit}^{{commit}}")
    fixed = {"LC_ALL": "C.UTF-8", "TZ": "UTC", "PYTHONHASHSEED": "0"}
    return kept | fixed | {"SOURCE_DATE_EPOCH": epoch.decode().strip()}


def hatchling(
    target: str, source: Path, out: Path, environment: dict[str, str]
) -> Path:
    """Build one distribution, and return its file."""
    before = {*out.iterdir()}
    command = [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", str(out)]
    subprocess.run(command, cwd=source, env=environment, check=True, stdout=sys.stderr)
    made = {*out.iterdir()} - before
    if len(made) != 1:
        raise SystemExit(f"{out} holds a {target} already: name an empty folder")
    return made.pop()


def git(*arguments: str) -> bytes:
    """Return what git prints about this repository."""
    return subprocess.run(
        ["git", "-C", ROOT, *arguments], check=True, capture_output=True
    ).stdout


def unpack(archive: bytes, folder: Path) -> None:
    """Unpack a tar file, compressed or not."""
    folder.mkdir()
    with tempfile.TemporaryFile() as file:
        file.write(archive)
        file.seek(0)
        with tarfile.open(fileobj=file) as opened:
            opened.extractall(folder, filter="data")


def main() -> int:
    """Build, and print the digest of each file as `sha256sum` does."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--commit", default="HEAD")
    parser.add_argument("--out", type=Path, default=ROOT / "release")
    chosen = parser.parse_args()
    for file in build(chosen.commit, chosen.out.resolve()):
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        sys.stdout.write(f"{digest}  {file.name}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
