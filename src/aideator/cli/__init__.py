"""DOOR: the command line."""

import sys


def main() -> None:
    """Run `aideator`."""
    try:
        from aideator.cli.commands import app

        app(prog_name="aideator")  # also for `python -m aideator`
    except KeyboardInterrupt:  # while Python still imports; later the guard has it
        sys.exit(130)
