"""The command line."""

import sys


def main() -> None:
    """Run `aideator`."""
    try:
        # Imported here, so that Ctrl-C during the imports ends without a traceback.
        # Once a command runs, `exit.py` handles it.
        from aideator.cli import app

        sys.exit(app.main())
    except KeyboardInterrupt:
        sys.exit(130)
