"""Refuse secrets, registry addresses and this machine's paths in tracked files."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
# Written so that this file does not contain what it looks for.
FORBIDDEN = re.compile(
    "|".join(
        [
            "pypi" + r"\.org",
            "python" + r"hosted\.org",
            "registry" + r"\.npmjs",
            "deb" + r"\.debian\.org",
            "proxy" + r"\.golang",
            r"(?<!\w)/ro" + r"ot/[\w.]",
            "/work/(main|steering|" + r"\.library)",
        ]
    )
)

OPTIONS = [
    "--no-validate",
    "--no-update-check",
    "--quiet",
    "--confidence",
    "medium",
    "--git-history",
    "none",
]
# Compiling the rules takes most of a first scan; HOME, where kingfisher would keep
# them, may be read-only or fresh.
CACHE = Path(sys.executable).parent.parent / ".kingfisher"


def main() -> int:
    """Scan what git tracks, or would, for secrets, registry addresses and paths."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(
        command, cwd=ROOT, check=True, capture_output=True
    ).stdout.decode()
    files = [
        ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()
    ]
    found = 0
    for path in files:
        for number, line in enumerate(
            path.read_text(errors="replace").splitlines(), start=1
        ):
            if FORBIDDEN.search(line):
                sys.stderr.write(
                    f"{path.relative_to(ROOT)}:{number}: names a registry or a path "
                    "of a machine\n"
                )
                found += 1
    kingfisher = Path(sys.executable).parent / "kingfisher"
    scan = subprocess.run(
        [kingfisher, "scan", *OPTIONS, "--rule-cache-dir", CACHE, *files],
        capture_output=True,
        text=True,
        check=False,
    )
    if scan.returncode not in {0}:
        sys.stderr.write(scan.stdout + scan.stderr)
        found += 1
    return min(found, 100)


if __name__ == "__main__":
    sys.exit(main())
