"""Make the demo's repository and print its submission as JSON.

python -m aideator.testing.demo_repo DIR
"""

import argparse
import json
import sys
from pathlib import Path

from aideator.testing.demo_repo import make_demo_repo


def main() -> None:
    """Make the repository."""
    parser = argparse.ArgumentParser(
        prog="python -m aideator.testing.demo_repo",
        description="Make the demo project.",
    )
    parser.add_argument("directory", type=Path)
    directory: Path = parser.parse_args().directory
    try:
        spec = make_demo_repo(directory)
    except OSError as error:
        parser.exit(2, f"{error}\n")
    json.dump(spec, sys.stdout)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
