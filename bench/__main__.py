"""`make bench`: every benchmark, one after another, on this machine.

A peer that is not installed prints SKIP.
"""

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
NAMES = (
    "cli",
    "sandbox",
    "fairness",
    "workspace",
    "eventlog",
    "gateway",
    "sse",
    "server",
    "selection",
    "tamper",
    "page",
    "diff",
)


def main() -> int:
    failed = []
    for name in sys.argv[1:] or NAMES:
        print(f"\n== {name} " + "=" * (70 - len(name)), flush=True)
        if subprocess.run(
            [sys.executable, "-m", f"bench.{name}"], cwd=HERE.parent, check=False
        ).returncode:
            failed.append(name)
    if failed:
        print(f"\nfailed: {', '.join(failed)}")
    return len(failed)


if __name__ == "__main__":
    sys.exit(main())
